public import BlockDevices

/// The marker that a zap writes to the disk before it erases anything: which places are to be erased.
///
/// Text with one fact in each line, padded with zeros: the magic, `size N`, `disk HASH`, `range OFFSET+LENGTH` each,
/// `cluster FSID` each, `part NAME` each, `was OFFSET:SUMS` each, `noise first` and `noise any` where that is so, then
/// `end HASH` with the hash of everything before. With it the next zap finishes one that was killed, even if the structures
/// that give the places or the owner are gone. It is erased last, after the rest was verified.
public struct ZapMarkerRecord: Sendable, Hashable {
    /// The size of the device it was written on.
    public let sizeBytes: UInt64
    /// What is to be erased.
    public let ranges: [ByteExtent]
    /// Whose OSDs it held.
    public let clusters: [String]
    /// The parts that the disk had, as ``names(of:)`` returns them: their erasure was confirmed.
    public let parts: [String]
    /// Whether the device's first bytes may have been overwritten with random data; it is written down before that is done.
    public let hasNoise: Bool
    /// Whether everything else may have been.
    public let isShredded: Bool
    /// Which disk it was written on, as ``fingerprint(of:)`` returns it; `nil` if nothing tells that disk from a copy.
    public let disk: String?
    /// What the bytes were by which its parts were judged; empty if there was no room for that.
    public let sums: BlockSums

    /// What a zap is about to erase.
    public init(
        sizeBytes: UInt64,
        ranges: [ByteExtent],
        clusters: [String] = [],
        parts: [String] = [],
        hasNoise: Bool = false,
        isShredded: Bool = false,
        disk: String? = nil,
        sums: BlockSums = BlockSums()
    ) {
        self.sizeBytes = sizeBytes
        self.ranges = ranges
        self.clusters = clusters
        self.parts = parts
        self.hasNoise = hasNoise
        self.isShredded = isShredded
        self.disk = disk
        self.sums = sums
    }

    /// What tells a disk from a copy of it, after a boot as well: a hash of all its telling names, and of where it begins if it
    /// is a partition; `nil` if it has no such name.
    static func fingerprint(of identity: DiskIdentity) -> String? {
        guard !identity.tellingNames.isEmpty else { return nil }
        let words = identity.tellingNames + [String(identity.startBytes ?? 0)]
        return String(SHA256.hexadecimal(words.joined(separator: "\n")).prefix(16))
    }

    /// Unique names of a part that outlive its content: the UUID of a partition or of a physical volume, and its place.
    ///
    /// A partition of an MBR has no UUID; it is identified by the table's signature and its place.
    static func names(of region: Region, in contents: DeviceContents) -> [String] {
        let volume = region.physicalVolume?.id ?? ""
        let places = region.extents.prefix(1)
        // Foreign bytes: a name is one word.
        let isName = volume.count == 32 && volume.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
        let names = isName ? places.map { "lvm:\(volume):\($0)" } : []
        if region.isDataArea { return names + places.map { "area:\($0)" } }
        guard region.kind.isPartition else { return names }
        if let entry = region.partition {
            return names + places.map { "gpt:\(entry.unique.description.lowercased()):\($0)" }
        }
        return names + region.extents.map { "mbr:\(contents.mbr?.diskSignature ?? 0):\($0)" }
    }

    /// Its offset on a device of this size; `nil` if the device is too small for it.
    public static func place(onDeviceOf sizeBytes: UInt64) -> ByteExtent? {
        guard sizeBytes >= ZapMarker.smallestDevice else { return nil }
        return ByteExtent(offset: ZapMarker.offset(onDeviceOf: sizeBytes), length: UInt64(ZapMarker.bytes))
    }

    /// The block to write; `nil` if there are more ranges than it can hold.
    ///
    /// The checksums are left out where they would take the place of how far an overwriting got: the next zap then asks once
    /// more for what this one was told.
    var block: [UInt8]? {
        let full = Array(text(with: sums).utf8)
        let bytes = full.count <= ZapMarker.bytes - ZapCheckpoint.bytes ? full : Array(text(with: BlockSums()).utf8)
        guard bytes.count <= ZapMarker.bytes else { return nil }
        return bytes + [UInt8](repeating: 0, count: ZapMarker.bytes - bytes.count)
    }

    private func text(with sums: BlockSums) -> String {
        var lines = ["size \(sizeBytes)"]
        if let disk { lines.append("disk \(disk)") }
        lines += ranges.map { "range \($0)" } + clusters.map { "cluster \($0)" } + parts.map { "part \($0)" }
        lines += sums.runs.map { "was \($0)" } + (hasNoise ? ["noise first"] : []) + (isShredded ? ["noise any"] : [])
        let text = ZapMarker.magic + lines.map { $0 + "\n" }.joined()
        return text + "end \(SHA256.hexadecimal(text))\n"
    }
}
