/// Bytes as people say them: `3.6 TiB`, `512 B`.
public func humanSize(_ bytes: UInt64) -> String {
    var value = Double(bytes)
    var unit = "B"
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] where value >= 1024 {
        value /= 1024
        unit = next
    }
    guard unit != "B" else { return "\(bytes) B" }
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10) \(unit)" : "\(tenths / 10).\(tenths % 10) \(unit)"
}
