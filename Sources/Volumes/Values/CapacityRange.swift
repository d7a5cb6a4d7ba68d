/// The sizes a caller accepts, in bytes; 0 means that the bound is not given.
///
/// CSI: CapacityRange.
public struct CapacityRange: Sendable, Hashable {
    /// Volumes are whole MiB.
    public static let granularityBytes: UInt64 = 1 << 20

    /// The size of a volume if the request names none: 1 GiB, as in ceph-csi.
    public static let defaultBytes: UInt64 = 1 << 30

    /// The largest size: 2^60 bytes (1 EiB), where librbd's object numbers end for objects of 4 MiB.
    public static let largestBytes: UInt64 = 1 << 60

    /// A size in whole MiB, as Ceph's tools and ours take it, rounded up: an image of that size holds all of `bytes`.
    package static func mebibytes(holding bytes: UInt64) -> UInt64 {
        bytes / granularityBytes + (bytes.isMultiple(of: granularityBytes) ? 0 : 1)
    }

    /// At least this, 0 for no bound.
    public let requiredBytes: UInt64

    /// At most this, 0 for no bound.
    public let limitBytes: UInt64

    /// Makes a range of two signed numbers as they come over the wire.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` for a negative number or a limit below what is required,
    ///   `.outOfRange` above `largestBytes`.
    public init(requiredBytes: Int64, limitBytes: Int64) throws(VolumeError) {
        guard requiredBytes >= 0 else { throw .invalid("required bytes are negative: \(requiredBytes)") }
        guard limitBytes >= 0 else { throw .invalid("limit bytes are negative: \(limitBytes)") }
        self.requiredBytes = UInt64(requiredBytes)
        self.limitBytes = UInt64(limitBytes)
        guard limitBytes == 0 || requiredBytes <= limitBytes else {
            throw .invalid(
                "capacity range is empty: required \(self.requiredBytes.inBinaryUnits) is above limit "
                    + self.limitBytes.inBinaryUnits
            )
        }
        guard self.requiredBytes <= Self.largestBytes else {
            throw VolumeError(
                .outOfRange,
                "required \(self.requiredBytes.inBinaryUnits) is above \(Self.largestBytes.inBinaryUnits), which no volume "
                    + "can have; ask for less"
            )
        }
    }

    /// The size of a new volume in this range: what is required, rounded up to whole MiB; the default without a bound.
    ///
    /// - Parameters:
    ///   - smallestBytes: The least that its use needs; a smaller request is rounded up to it.
    ///   - use: The use, for errors: `xfs`.
    /// - Returns: The size in bytes.
    /// - Throws: `VolumeError` with `.outOfRange` when no whole MiB lies in the range, or none that is large enough.
    public func newSizeBytes(atLeast smallestBytes: UInt64, for use: String) throws(VolumeError) -> UInt64 {
        let size = try newSizeBytes()
        guard size < smallestBytes else { return size }
        let rounded = (smallestBytes + Self.granularityBytes - 1) / Self.granularityBytes * Self.granularityBytes
        guard limitBytes == 0 || rounded <= limitBytes else {
            throw VolumeError(
                .outOfRange,
                "limit \(limitBytes.inBinaryUnits) is below the least that \(use) takes, \(rounded.inBinaryUnits); raise "
                    + "the limit to \(rounded.inBinaryUnits), or use another file system"
            )
        }
        return rounded
    }

    /// The size of a new volume in this range: what is required, rounded up to whole MiB; the default without a bound.
    ///
    /// - Throws: `VolumeError` with `.outOfRange` when no whole MiB lies in the range.
    public func newSizeBytes() throws(VolumeError) -> UInt64 {
        let wanted: UInt64
        if requiredBytes != 0 {
            wanted = requiredBytes
        } else if limitBytes != 0 {
            wanted = min(Self.defaultBytes, limitBytes / Self.granularityBytes * Self.granularityBytes)
        } else {
            wanted = Self.defaultBytes
        }
        let rounded = max(1, (wanted + Self.granularityBytes - 1) / Self.granularityBytes) * Self.granularityBytes
        guard limitBytes == 0 || rounded <= limitBytes else {
            throw VolumeError(
                .outOfRange,
                "no whole MiB lies between required \(requiredBytes.inBinaryUnits) and limit "
                    + "\(limitBytes.inBinaryUnits); raise the limit to \(rounded.inBinaryUnits)"
            )
        }
        return rounded
    }

    /// Whether a volume of `sizeBytes` is what this range asks for.
    public func contains(_ sizeBytes: UInt64) -> Bool {
        sizeBytes >= requiredBytes && (limitBytes == 0 || sizeBytes <= limitBytes)
    }
}
