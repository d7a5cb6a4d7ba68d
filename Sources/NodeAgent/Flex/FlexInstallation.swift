import ExactText
import LinuxKernel
package import Volumes

/// The driver's program in kubelet's plugin directory: `nacre.io~rbd/rbd`.
///
/// kubelet asks a driver anew at every change of a file there whose name does not start with a dot, and loses it when the
/// file goes. So what is there already stays, a new one takes its place by a rename, and the first comes with its directory.
package struct FlexInstallation: Sendable {
    /// kubelet's `--volume-plugin-dir`.
    private let pluginDirectory: String
    /// Where our own program lies, to be copied.
    private let program: String
    /// Where the agent serves.
    private let socket: String

    /// The driver's name in a PersistentVolume is `nacre.io/rbd`.
    private static let vendor = "nacre.io"
    /// The driver's name after its vendor's.
    private static let name = "rbd"
    private static let usualSocket = "/run/nacre/flex.sock"

    package init(pluginDirectory: String, program: String, socket: String) {
        self.pluginDirectory = pluginDirectory
        self.program = program
        self.socket = socket
    }

    private var directory: String { "\(pluginDirectory)/\(Self.vendor)~\(Self.name)" }

    /// Leaves our program there, and says whether anything had to be changed.
    ///
    /// - Returns: Whether the program is a new one.
    /// - Throws: `VolumeError` that says what is missing.
    @discardableResult
    package func install() throws(VolumeError) -> Bool {
        do throws(KernelError) {
            let bytes = try KernelFile.bytes(program)
            guard try FileKind.of(directory) == nil else { return try update(bytes) }
            let new = "\(pluginDirectory)/.\(Self.vendor)~\(Self.name).new"
            try KernelFile.makeDirectories(new, mode: 0o755)
            try writeSocketName(in: new)
            try KernelFile.replace("\(new)/\(Self.name)", with: bytes, mode: 0o755)
            try KernelFile.rename(new, to: directory)
            return true
        } catch {
            throw VolumeError(
                .internal,
                "cannot install the FlexVolume driver in '\(pluginDirectory)': \(error); name kubelet's "
                    + "--volume-plugin-dir by --plugin-dir, and the program by --flex-program"
            )
        }
    }

    private func update(_ bytes: [UInt8]) throws(KernelError) -> Bool {
        try writeSocketName(in: directory)
        let place = "\(directory)/\(Self.name)"
        if try FileKind.of(place) != nil, try KernelFile.bytes(place) == bytes { return false }
        // Under a name that kubelet does not look at.
        try KernelFile.replace("\(directory)/.\(Self.name)", with: bytes, mode: 0o755)
        try KernelFile.rename("\(directory)/.\(Self.name)", to: place)
        return true
    }

    private func writeSocketName(in directory: String) throws(KernelError) {
        let file = "\(directory)/.socket"
        guard !socket.isExactly(Self.usualSocket) else { return try KernelFile.remove(file) }
        guard KernelFile.firstLine(file)?.isExactly(socket) != true else { return }
        // A file of that name with `.new` behind it starts with a dot as well.
        try KernelFile.replace(file, with: Array("\(socket)\n".utf8), mode: 0o644)
    }
}
