extension Region {
    /// How deep nested parts are inspected: for example a partition of a virtual machine's disk in a volume on a RAID.
    static let maximumDepth = 5

    /// Its parts: partitions, the space between them, volumes, the data after a header.
    ///
    /// - Parameters:
    ///   - source: The device.
    ///   - sectorBytes: The unit of addresses.
    /// - Returns: Its parts, in order.
    func parts(on source: any ByteSource, sectorBytes: UInt64) -> [Region] {
        guard depth < Self.maximumDepth else { return [] }
        let within = ownsPartitions ? partitions(source, sectorBytes) : []
        return within + volumes(source, sectorBytes) + areas(source, sectorBytes)
    }

    /// Kernels with the Atari parser see partitions in BlueStore's data; they are not real.
    private var ownsPartitions: Bool { !tables.isEmpty && blueStore?.current == nil }

    /// The name of a part of this region, for people and in markers.
    private var place: String? { kind == .device ? nil : name }

    private func partitions(_ source: any ByteSource, _ sectorBytes: UInt64) -> [Region] {
        func region(_ kind: Kind, _ inner: ByteExtent) -> Region? {
            let extents = extents.mapped(inner)
            guard !extents.isEmpty else { return nil }
            return Region(
                kind,
                Window(source, extents),
                extents: extents,
                isWhole: isWhole,
                sectorBytes: sectorBytes,
                depth: depth + 1
            )
        }
        let found = tables.partitions.compactMap { partition -> Region? in
            let kind = place.map { Kind.nestedPartition(partition.number, in: $0) } ?? .partition(partition.number)
            var found = region(kind, partition.extent)
            found?.partition = partition.entry
            return found
        }
        // A region with a format of its own, such as a RAID with 55 AA in front, is not divided.
        guard hasOnlyTables else { return found }
        return found + tables.freeRuns.compactMap { region(.freeSpace(offset: $0.offset, in: place), $0) }
    }

    private func volumes(_ source: any ByteSource, _ sectorBytes: UInt64) -> [Region] {
        guard let physical = physicalVolume, let group = physical.group else { return [] }
        let size = extents.reduce(0) { $0 + $1.length }
        return group.logicalVolumes.prefix(DeviceContents.maximumRegions).compactMap { volume in
            let (inner, starts, isWhole) = physical.extents(of: volume, size: size)
            let mapped = inner.flatMap { extents.mapped($0) }
            guard !mapped.isEmpty else { return nil }
            var found = Region(
                .logicalVolume(group: group.name, name: volume.name),
                Window(source, mapped),
                extents: mapped,
                isWhole: isWhole,
                sectorBytes: sectorBytes,
                depth: depth + 1
            )
            found.logicalVolume = volume
            found.pieces = zip(inner, starts).compactMap { extent, start in
                let parts = extents.mapped(extent)
                return parts.count == 1 ? Piece(start: start, extent: parts[0]) : nil
            }
            return found
        }
    }

    private func areas(_ source: any ByteSource, _ sectorBytes: UInt64) -> [Region] {
        DataArea.all(in: Window(source, extents)).compactMap { area in
            let mapped = area.extents.flatMap { extents.mapped($0) }
            guard !mapped.isEmpty else { return nil }
            return Region(
                .dataArea(format: area.format, in: place),
                Window(source, mapped),
                extents: mapped,
                isWhole: isWhole && area.isWhole,
                sectorBytes: sectorBytes,
                depth: depth + 1
            )
        }
    }
}
