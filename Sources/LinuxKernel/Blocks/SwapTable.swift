internal import ExactText
internal import Glibc

/// The swap areas in use: `/proc/swaps`.
///
/// See: proc(5). It is the same in all namespaces.
public struct SwapTable: Sendable {
    /// Their paths as the kernel tells them.
    public let paths: [String]

    /// Reads the text of `/proc/swaps`.
    public init(text: String) {
        paths = text.parts(at: "\n", omittingEmpty: true).dropFirst().compactMap { line in
            line.parts(at: " ", omittingEmpty: true).first?.parts(at: "\t", omittingEmpty: true).first
        }
    }

    /// The areas in use; empty if the kernel has no swap.
    public static func current(proc: String = "/proc") -> SwapTable {
        SwapTable(text: (try? KernelFile.text("\(proc)/swaps")) ?? "")
    }

    /// Whether a device is one of them.
    public func contains(_ node: BlockNode) -> Bool {
        paths.contains { path in
            if path.isExactly(node.path) { return true }
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFBLK else { return false }
            return DeviceNumber(rawValue: UInt64(status.st_rdev)) == node.device
        }
    }
}
