public import BlockDevices

/// What a zap notes on the disk before it erases anything that it needs to know: which places are to be erased.
///
/// Text, one fact a line, filled up with zeros: the magic, `size N`, `range OFFSET+LENGTH` each, `cluster FSID` each, then
/// `end HASH` with the hash of all before. A zap that was killed is taken up by the next one with its help, even when
/// the structures that would tell the places are gone. It is erased last, after the rest was verified.
public struct ZapMarkerRecord: Sendable, Hashable {
    /// The size of the device it was written on.
    public let sizeBytes: UInt64
    /// What is to be erased.
    public let ranges: [ByteExtent]
    /// Whose OSDs it held.
    public let clusters: [String]

    /// What a zap is about to erase.
    public init(sizeBytes: UInt64, ranges: [ByteExtent], clusters: [String] = []) {
        self.sizeBytes = sizeBytes
        self.ranges = ranges
        self.clusters = clusters
    }

    /// Where it stands on a device of this size; nothing on those that are too small for it.
    public static func place(onDeviceOf sizeBytes: UInt64) -> ByteExtent? {
        guard sizeBytes >= ZapMarker.smallestDevice else { return nil }
        return ByteExtent(offset: ZapMarker.offset(onDeviceOf: sizeBytes), length: UInt64(ZapMarker.bytes))
    }

    /// The block to write; nothing when there are more ranges than it can hold.
    var block: [UInt8]? {
        let lines = ["size \(sizeBytes)"] + ranges.map { "range \($0)" } + clusters.map { "cluster \($0)" }
        let text = ZapMarker.magic + lines.map { $0 + "\n" }.joined()
        let bytes = Array((text + "end \(SHA256.hexadecimal(text))\n").utf8)
        guard bytes.count <= ZapMarker.bytes else { return nil }
        return bytes + [UInt8](repeating: 0, count: ZapMarker.bytes - bytes.count)
    }

    /// Reads the block; nothing unless it is whole and was written for a device of this size.
    public init?(block: [UInt8], sizeBytes: UInt64) {
        let text = String(decoding: block.prefix { $0 != 0 }, as: UTF8.self)
        guard text.hasPrefix(ZapMarker.magic), let end = text.firstRange(of: "\nend ") else { return nil }
        let covered = String(text[...end.lowerBound])
        guard text[end.upperBound...].prefix(64) == SHA256.hexadecimal(covered) else { return nil }
        var ranges: [ByteExtent] = []
        var clusters: [String] = []
        for line in covered.dropFirst(ZapMarker.magic.count).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2 else { return nil }
            if words[0] == "size" {
                guard UInt64(words[1]) == sizeBytes else { return nil }
                continue
            }
            if words[0] == "cluster" {
                clusters.append(String(words[1]))
                continue
            }
            let numbers = words[1].split(separator: "+").compactMap { UInt64($0) }
            guard words[0] == "range", numbers.count == 2, numbers[0] < sizeBytes, numbers[1] <= sizeBytes - numbers[0]
            else { return nil }
            ranges.append(ByteExtent(offset: numbers[0], length: numbers[1]))
        }
        self.init(sizeBytes: sizeBytes, ranges: ranges, clusters: clusters)
    }
}
