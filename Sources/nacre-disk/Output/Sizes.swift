/// A duration in words: `1 h 05 min`, `12 s`.
func humanTime(_ duration: Duration) -> String {
    let seconds = Int(duration / .seconds(1))
    if seconds >= 3600 { return "\(seconds / 3600) h \(seconds % 3600 / 60) min" }
    return seconds >= 60 ? "\(seconds / 60) min \(seconds % 60) s" : "\(seconds) s"
}
