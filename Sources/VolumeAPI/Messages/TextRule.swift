internal import ExactText

/// What CSI, or the kernel, allows in a string.
///
/// CSI: size limits (128 bytes where a field does not say otherwise).
enum TextRule: Sendable {
    /// Words: at most 128 bytes, no control characters.
    case text
    /// One line of any length: no control characters.
    case line
    /// The handle of a volume that must exist: as `text`, and no part is `.` or `..`, because no handle has such a
    /// part.
    case handle
    /// A handle of a volume to remove: at most 128 bytes. What is not a valid handle counts as removed.
    case anyHandle
    /// An absolute path below `/` without `.` and `..`, at most 4095 bytes (PATH_MAX with its zero), no control characters.
    case path
    /// The path of what is to be taken back: as `path`, but with any characters that a path can have, for an earlier release
    /// may have made it.
    case recordedPath
    /// A path to look up a volume by: at most as long as a path. At a path that cannot exist, there is no volume.
    case anyPath
    /// Text that Nacre wrote itself, and answers: anything.
    case opaque

    /// What is wrong with `string`, or `nil`; the empty string is the default and always valid.
    func problem(with string: String) -> String? {
        guard !string.isEmpty, self != .opaque else { return nil }
        let limit =
            switch self {
            case .path, .recordedPath, .anyPath: 4095
            case .line: Int.max
            default: 128
            }
        let count = string.utf8.count
        guard count <= limit else { return "\(count) bytes, the limit is \(limit)" }
        guard self != .anyHandle else { return nil }
        // For the kernel the path would end there: another path, which is not to be taken back.
        guard self != .recordedPath || !string.utf8.contains(0) else { return "holds a zero byte" }
        guard self == .recordedPath || !string.unicodeScalars.contains(where: \.isControl) else {
            return "holds control characters"
        }
        guard self == .path || self == .recordedPath || self == .handle else { return nil }
        let parts = string.parts(at: "/", omittingEmpty: true)
        guard !parts.containsExactly("."), !parts.containsExactly("..") else {
            return "'\(Self.short(string))' holds a part '.' or '..'"
        }
        guard self != .handle else { return nil }
        guard string.utf8.first == UInt8(ascii: "/") else { return "'\(Self.short(string))' is not an absolute path" }
        guard !parts.isEmpty else { return "'/' is not a path that a volume may have" }
        return nil
    }

    /// The string in a form for messages: without control characters, at most 64 characters.
    static func short(_ string: String) -> String {
        var line = ""
        for scalar in string.unicodeScalars.prefix(64) {
            line.unicodeScalars.append(scalar.isControl ? "\u{FFFD}" : scalar)
        }
        return string.unicodeScalars.count > 64 ? line + "…" : line
    }
}
