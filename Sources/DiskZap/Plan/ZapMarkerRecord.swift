public import BlockDevices
internal import ExactText

/// The marker that a zap writes to the disk before it erases anything: which places are to be erased.
///
/// Text with one fact in each line, padded with zeros: the magic, `size N`, `range OFFSET+LENGTH` each, `cluster FSID`
/// each, `part NAME` each, `noise first` where that is so, then `end HASH` with the hash of everything before. With it the
/// next zap finishes one that was killed, even if the structures that give the places or the owner are gone. It is erased
/// last, after the rest was verified.
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

    /// What a zap is about to erase.
    public init(
        sizeBytes: UInt64,
        ranges: [ByteExtent],
        clusters: [String] = [],
        parts: [String] = [],
        hasNoise: Bool = false
    ) {
        self.sizeBytes = sizeBytes
        self.ranges = ranges
        self.clusters = clusters
        self.parts = parts
        self.hasNoise = hasNoise
    }

    /// Unique names of a part that outlive its content: the UUID of a partition or of a physical volume.
    ///
    /// A partition of an MBR has none; it is identified by the table's signature and its offset.
    static func names(of region: Region, in contents: DeviceContents) -> [String] {
        let volume = region.physicalVolume?.id ?? ""
        // Foreign bytes: a name is one word.
        let isName = volume.count == 32 && volume.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
        let names = isName ? ["lvm:\(volume)"] : []
        if region.isDataArea { return names + region.extents.prefix(1).map { "area:\($0)" } }
        guard region.kind.isPartition else { return names }
        if let entry = region.partition { return names + ["gpt:\(entry.unique.description.lowercased())"] }
        return names + region.extents.map { "mbr:\(contents.mbr?.diskSignature ?? 0):\($0)" }
    }

    /// Its offset on a device of this size; `nil` if the device is too small for it.
    public static func place(onDeviceOf sizeBytes: UInt64) -> ByteExtent? {
        guard sizeBytes >= ZapMarker.smallestDevice else { return nil }
        return ByteExtent(offset: ZapMarker.offset(onDeviceOf: sizeBytes), length: UInt64(ZapMarker.bytes))
    }

    /// The block to write; `nil` if there are more ranges than it can hold.
    var block: [UInt8]? {
        let facts = ranges.map { "range \($0)" } + clusters.map { "cluster \($0)" } + parts.map { "part \($0)" }
        let lines = ["size \(sizeBytes)"] + facts + (hasNoise ? ["noise first"] : [])
        let text = ZapMarker.magic + lines.map { $0 + "\n" }.joined()
        let bytes = Array((text + "end \(SHA256.hexadecimal(text))\n").utf8)
        guard bytes.count <= ZapMarker.bytes else { return nil }
        return bytes + [UInt8](repeating: 0, count: ZapMarker.bytes - bytes.count)
    }

    /// Reads the block; `nil` unless it is whole and was written for a device of this size.
    public init?(block: [UInt8], sizeBytes: UInt64) {
        let text = String(decoding: block.prefix { $0 != 0 }, as: UTF8.self)
        guard text.startsExactly(with: ZapMarker.magic), let end = text.firstRange(of: "\nend ") else { return nil }
        let covered = String(text[...end.lowerBound])
        guard text[end.upperBound...].prefix(64) == SHA256.hexadecimal(covered) else { return nil }
        var ranges: [ByteExtent] = []
        var clusters: [String] = []
        var parts: [String] = []
        var hasNoise = false
        for line in covered.dropFirst(ZapMarker.magic.count).parts(at: "\n", omittingEmpty: true) {
            let words = line.parts(at: " ", omittingEmpty: true)
            guard words.count == 2 else { return nil }
            if words[0] == "size" {
                guard UInt64(words[1]) == sizeBytes else { return nil }
                continue
            }
            if words[0] == "cluster" {
                clusters.append(String(words[1]))
                continue
            }
            if words[0] == "part" {
                parts.append(String(words[1]))
                continue
            }
            if words[0] == "noise" {
                hasNoise = true
                continue
            }
            let numbers = words[1].parts(at: "+", omittingEmpty: true).compactMap { UInt64($0) }
            guard words[0] == "range", numbers.count == 2, numbers[0] < sizeBytes, numbers[1] <= sizeBytes - numbers[0]
            else { return nil }
            ranges.append(ByteExtent(offset: numbers[0], length: numbers[1]))
        }
        self.init(sizeBytes: sizeBytes, ranges: ranges, clusters: clusters, parts: parts, hasNoise: hasNoise)
    }
}
