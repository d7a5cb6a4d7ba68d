internal import Glibc
internal import LinuxKernel

/// How many dead clients this node has fenced: a file of one byte each, since image servers fence, too, and a process that is
/// killed must not take the number along.
public struct FenceTally: Sendable {
    /// Whose the client was.
    public enum Whose: String, Sendable, CaseIterable {
        /// A process of this node that is gone.
        case own
        /// Another node, or nobody that is known.
        case other
    }

    private let stateDirectory: String

    /// Keeps it in a state directory, such as `/var/lib/nacre`.
    public init(stateDirectory: String) { self.stateDirectory = stateDirectory }

    /// Counts one; a disk that is full is no reason not to fence.
    func note(_ whose: Whose) {
        guard let file = try? OwnedDescriptor(opening: path(whose), O_WRONLY | O_CREAT | O_APPEND) else { return }
        try? file.writeAll([0x0A])
    }

    /// How many there were since the state directory was made.
    public func count(_ whose: Whose) -> UInt64 {
        var status = stat()
        return stat(path(whose), &status) == 0 ? UInt64(status.st_size) : 0
    }

    private func path(_ whose: Whose) -> String { "\(stateDirectory)/fences-\(whose.rawValue)" }
}
