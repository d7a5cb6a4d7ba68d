/// The marker of an unfinished `nacre-disk zap` near the end of a device: what it still has to erase.
extension Format {
    static let zapMarker = Format("nacre_zap", .other, minimumBytes: ZapMarker.smallestDevice) { device in
        Magic(ZapMarker.magic, at: ZapMarker.offset(onDeviceOf: device.sizeBytes)).mark(on: device).map { [$0] } ?? []
    }
}

/// Where the marker of an unfinished zap stands.
public enum ZapMarker {
    /// How it begins.
    public static let magic = "nacre-disk zap under way\n"
    /// Its distance from the end: inside of every erased tail, and at a place that no other format uses.
    static let distance: UInt64 = 96 << 10
    /// Smaller devices have no marker.
    public static let smallestDevice: UInt64 = 1 << 20
    /// How long it is.
    public static let bytes = 16384

    /// Its offset on a device of this size, which must be at least `smallestDevice`.
    public static func offset(onDeviceOf sizeBytes: UInt64) -> UInt64 {
        (sizeBytes - min(sizeBytes, distance)) / 4096 * 4096
    }
}
