/// Bytes as people say them: `3.6 TiB`, `512 B`.
func humanSize(_ bytes: UInt64) -> String {
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

/// Time as people say it: `1 h 05 min`, `12 s`.
func humanTime(_ duration: Duration) -> String {
    let seconds = Int(duration / .seconds(1))
    if seconds >= 3600 { return "\(seconds / 3600) h \(seconds % 3600 / 60) min" }
    return seconds >= 60 ? "\(seconds / 60) min \(seconds % 60) s" : "\(seconds) s"
}
