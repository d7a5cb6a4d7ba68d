public import BlockDevices

/// How a disk is prepared for OSDs: blank, or with partitions of Ceph's types.
public struct DiskPreparation: Sendable, Hashable {
    /// A partition to make.
    public struct Part: Sendable, Hashable {
        /// What for: a name of ``PartitionType``.
        public let type: PartitionType
        /// How large, in bytes; `nil` for the rest of the disk.
        public let sizeBytes: UInt64?

        /// A partition to make.
        public init(type: PartitionType, sizeBytes: UInt64?) {
            self.type = type
            self.sizeBytes = sizeBytes
        }

        /// For people: `ceph-db of 60 GiB`.
        var text: String { "\(type.name) of \(sizeBytes.map(humanSize) ?? "all the rest")" }
    }

    /// The partitions; none for a raw disk.
    public let parts: [Part]

    /// A raw disk, or one with these partitions.
    public init(parts: [Part]) { self.parts = parts }

    /// Whether a disk is so already.
    public func isMet(by contents: DeviceContents) -> Bool {
        guard !parts.isEmpty else { return contents.isBlank }
        guard let gpt = contents.gpt, gpt.problems(mbr: contents.mbr).isEmpty else { return false }
        return isWanted(gpt)
    }

    /// Whether a table has partitions that ceph-volume and Rook take for used ones, because of ceph-disk's names.
    public static func hasFormerNames(_ contents: DeviceContents) -> Bool {
        (contents.gpt?.partitions ?? []).contains { PartitionType.isOfCephDisk($0.entry) }
    }

    /// The table of an interrupted preparation: the backup, which is written first, is as wanted, and the disk has
    /// nothing else.
    public func unfinished(on contents: DeviceContents) -> GPTLayout? {
        guard !parts.isEmpty, let gpt = contents.gpt, gpt.primary.header == nil, gpt.backup.isValid, isWanted(gpt),
            contents.mbr == nil, contents.regions.dropFirst().allSatisfy(\.signatures.isEmpty)
        else { return nil }
        return try? GPTLayout(gpt, sizeBytes: contents.sizeBytes)
    }

    private func isWanted(_ gpt: GPT) -> Bool {
        let found = gpt.partitions.map(\.entry)
        return found.count == parts.count
            && zip(found, parts).allSatisfy { entry, part in
                guard let extent = gpt.extent(of: entry) else { return false }
                return part.type.isPrepared(entry)
                    && (part.sizeBytes.map { extent.length == Self.rounded($0) } ?? true)
            }
    }

    /// The table to write.
    ///
    /// - Parameters:
    ///   - identity: The disk.
    ///   - generator: Where its UUIDs come from.
    /// - Returns: The table.
    /// - Throws: ``GPTLayoutError`` when the parts do not fit.
    public func layout(
        for identity: DiskIdentity,
        using generator: inout some RandomNumberGenerator
    ) throws(GPTLayoutError) -> GPTLayout {
        var layout = try GPTLayout(
            sizeBytes: identity.sizeBytes,
            sectorBytes: UInt64(identity.sectorBytes),
            diskGUID: .random(using: &generator)
        )
        for (index, part) in parts.enumerated() {
            let end: GPTPlace = part.sizeBytes.map { .after(Self.rounded($0)) } ?? .standard
            let blocks: ClosedRange<UInt64>
            do throws(GPTLayoutError) {
                blocks = try layout.blocks(from: .standard, to: end)
            } catch {
                let all = "the disk '\(identity.name)' has \(humanSize(identity.sizeBytes))"
                throw GPTLayoutError("cannot make part \(index + 1), \(part.text): \(error); \(all)")
            }
            try layout.add(
                nil,
                GPTEntry(
                    type: part.type.preparedGUID,
                    unique: .random(using: &generator),
                    firstLBA: blocks.lowerBound,
                    lastLBA: blocks.upperBound,
                    name: part.type.preparedName
                )
            )
        }
        return layout
    }

    /// Whole MiB: every partition begins at one.
    private static func rounded(_ bytes: UInt64) -> UInt64 { (bytes + (1 << 20) - 1) / (1 << 20) * (1 << 20) }
}
