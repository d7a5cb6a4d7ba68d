/// How the process of a gate, and an agent that looks for it, know each other.
extension PlaceGate {
    /// The word by which a program of ours serves one; the path and the place of the directories follow it.
    public static let word = "place-gate"
    /// The line that it says once it serves.
    public static let ready = "ready"
    /// What stands before its number in the lock.
    public static let owner = "process "

    /// The file whose lock says that a gate is there.
    public static func lock(_ path: String) -> String { "\(path).lock" }
}
