internal import BlockDevices

/// Every place on a device that has to be erased.
struct ZapPlaces {
    /// How much is erased at each position of a label, as Rook does.
    static let labelBytes: UInt64 = 200 << 10

    let contents: DeviceContents
    let options: ZapOptions
    let marker: ZapMarkerRecord?

    /// All of them, limited to the device and widened to whole sectors.
    var all: [PlannedPlace] {
        let whole = ByteExtent(offset: 0, length: contents.sizeBytes)
        switch options.method {
        case .zero, .shred: return [PlannedPlace(extent: whole, reason: "the whole device")]
        case .signatures, .discard: break
        }
        let places =
            contents.regions.flatMap(edges) + contents.regions.flatMap(labels)
            + contents.regions.flatMap(marks) + tables + inherited
        return places.compactMap { place in
            guard let extent = aligned(place.extent).intersection(whole) else { return nil }
            return PlannedPlace(extent: extent, reason: place.reason)
        }
    }

    private func places(_ region: Region, _ offset: UInt64, _ length: UInt64, _ reason: String) -> [PlannedPlace] {
        region.extents.mapped(ByteExtent(offset: offset, length: length)).map {
            PlannedPlace(extent: $0, reason: "\(reason) of \(region.name)")
        }
    }

    private func edges(_ region: Region) -> [PlannedPlace] {
        let size = region.extents.reduce(0) { $0 + $1.length }
        guard size > options.headBytes + options.tailBytes else { return places(region, 0, size, "all") }
        return places(region, 0, options.headBytes, "head")
            + places(region, size - options.tailBytes, options.tailBytes, "tail")
    }

    /// With or without labels: tools read these places on the next OSD.
    private func labels(_ region: Region) -> [PlannedPlace] {
        BlueStoreLabel.positions.dropFirst().flatMap { position in
            places(region, position, Self.labelBytes, "label position") + pieces(region, position)
        }
    }

    /// Positions in a volume that continues on other disks, counted from the volume's start.
    private func pieces(_ region: Region, _ position: UInt64) -> [PlannedPlace] {
        region.pieces.compactMap { piece in
            let part = ByteExtent(offset: piece.start, length: piece.extent.length)
            guard let common = part.intersection(ByteExtent(offset: position, length: Self.labelBytes)) else {
                return nil
            }
            let place = ByteExtent(offset: piece.extent.offset + (common.offset - piece.start), length: common.length)
            return PlannedPlace(extent: place, reason: "label position of \(region.name)")
        }
    }

    private func marks(_ region: Region) -> [PlannedPlace] {
        var found = region.signatures.flatMap { places(region, $0.mark.offset, $0.mark.length, $0.format) }
        if let luks = region.luks { found += places(region, 0, luks.keyArea.length, "key slots") }
        for area in region.physicalVolume?.metadataAreas ?? [] {
            found += places(region, area.offset, area.length, "metadata of LVM")
        }
        return found
    }

    private var tables: [PlannedPlace] {
        contents.regions.flatMap { region in
            region.tables.places.flatMap { places(region, $0.offset, $0.length, "partition table") }
        }
    }

    /// What an unfinished zap recorded; it may not be detectable any more.
    private var inherited: [PlannedPlace] {
        (marker?.ranges ?? []).map { PlannedPlace(extent: $0, reason: "left by an unfinished zap") }
    }

    /// Whole pages: no device has larger logical sectors, and no structure that stays is damaged.
    private func aligned(_ extent: ByteExtent) -> ByteExtent {
        let start = extent.offset / 4096 * 4096
        let end = extent.end.addingReportingOverflow(4095).partialValue / 4096 * 4096
        return ByteExtent(offset: start, length: max(end, extent.end) - start)
    }
}

/// The structures that are saved before they are erased: those that were recognised, and the block of every mark.
enum HeaderPlaces {
    static func of(_ contents: DeviceContents) -> [ByteExtent] {
        var found = [contents.gpt, contents.foreignGPT].compactMap(\.self).flatMap(\.extents)
        if contents.mbr != nil { found.append(ByteExtent(offset: 0, length: 512)) }
        for region in contents.regions {
            func add(_ offset: UInt64, _ length: UInt64) {
                found += region.extents.mapped(ByteExtent(offset: offset, length: length))
            }
            for offset in region.blueStore?.copies.keys.sorted() ?? [] { add(offset, BlueStoreLabel.blockBytes) }
            if region.blueStore?.blueFS != nil { add(BlueFSSuperblock.offset, BlueStoreLabel.blockBytes) }
            // Not the key slots.
            if region.luks != nil { add(0, 4096) }
            if let volume = region.physicalVolume {
                add(volume.labelOffset, 512)
                for area in volume.metadataAreas { add(area.offset, min(area.length, 1 << 20)) }
            }
            // Of all others the block of each mark: the super blocks of file systems are there.
            for signature in region.signatures { add(signature.mark.offset / 4096 * 4096, 4096) }
        }
        let whole = ByteExtent(offset: 0, length: contents.sizeBytes)
        return found.compactMap { $0.intersection(whole) }.merged()
    }
}
