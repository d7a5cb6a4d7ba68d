internal import Glibc
internal import LinuxKernel

/// How many dead clients this node has fenced: a file with one byte for each, because image servers fence too, and the
/// count must survive a killed process.
public struct FenceTally: Sendable {
    /// Whose the client was.
    public enum Whose: String, Sendable, CaseIterable {
        /// A process of this node that is gone.
        case own
        /// Another node, or nobody that is known.
        case other
    }

    private let stateDirectory: String

    /// Keeps the count in a state directory, such as `/var/lib/nacre`.
    public init(stateDirectory: String) { self.stateDirectory = stateDirectory }

    /// Counts one; a full disk must not prevent a fence.
    func note(_ whose: Whose) {
        guard let file = try? OwnedDescriptor(opening: path(whose), O_WRONLY | O_CREAT | O_APPEND) else { return }
        try? file.writeAll([0x0A])
    }

    /// The count since the state directory was created.
    public func count(_ whose: Whose) -> UInt64 {
        var status = stat()
        return stat(path(whose), &status) == 0 ? UInt64(status.st_size) : 0
    }

    private func path(_ whose: Whose) -> String { "\(stateDirectory)/fences-\(whose.rawValue)" }
}
