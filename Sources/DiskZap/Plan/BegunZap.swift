public import BlockDevices

/// An unfinished zap of a disk, as its marker tells, and what of the disk is still as that zap left it.
public struct BegunZap: Sendable, Hashable {
    /// What the marker says.
    public let record: ZapMarkerRecord
    /// Whether it was written on this very disk, and not on one that this is a copy of.
    public let isOfThisDisk: Bool
    /// The judged blocks that the zap cannot have left so: neither zeros, nor what they were when it began, nor its noise.
    let changed: [ByteExtent]

    /// Compares a disk with its marker.
    ///
    /// - Parameters:
    ///   - record: What the marker says.
    ///   - identity: The disk that has the marker.
    ///   - contents: What is found on it.
    ///   - source: Its bytes.
    public init(
        _ record: ZapMarkerRecord,
        on identity: DiskIdentity,
        _ contents: DeviceContents,
        _ source: any ByteSource
    ) {
        self.record = record
        isOfThisDisk = record.disk != nil && record.disk == ZapMarkerRecord.fingerprint(of: identity)
        changed = record.sums.changed(source, in: Self.judged(contents)) { offset, bytes in
            (offset < Eraser.firstBytes ? record.hasNoise : record.isShredded) && Self.isNoise(bytes)
        }
    }

    /// Whether something in this part was written since the zap began.
    func isChanged(_ region: Region) -> Bool {
        guard !changed.isEmpty else { return false }
        return region.judgedPlaces.contains { place in changed.contains { $0.intersection(place) != nil } }
    }

    /// All places by which the parts of a device are judged, but for that of the marker.
    static func judged(_ contents: DeviceContents) -> [ByteExtent] {
        let places = contents.regions.flatMap(\.judgedPlaces).merged()
        guard let marker = ZapMarkerRecord.place(onDeviceOf: contents.sizeBytes) else { return places }
        return places.flatMap { $0.without(marker) }
    }

    /// Whether bytes can be of a generator of random numbers: each byte occurs about as often as the others, and not too
    /// regularly.
    ///
    /// A label, a table or a text fails; what somebody encrypted cannot be told from it.
    static func isNoise(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 512 else { return false }
        var counts = [Int](repeating: 0, count: 256)
        for byte in bytes { counts[Int(byte)] += 1 }
        let mean = Double(bytes.count) / 256
        // A chi-squared test with 255 degrees of freedom: outside of that once in some billion blocks.
        let deviation = counts.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) / mean }
        return (140..<420).contains(deviation)
    }
}
