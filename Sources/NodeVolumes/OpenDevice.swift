internal import LinuxKernel
internal import Synchronization

/// A block device that is open for reading, so that the kernel keeps the pages that anyone reads of it.
final class OpenDevice: Sendable {
    private let device: Mutex<BlockIOControl?>

    /// Opens it; whoever opens it exclusively, as e2fsck and mount do, is not hindered.
    init(_ path: String) throws(KernelError) {
        device = Mutex(try BlockIOControl(opening: path))
    }

    /// Closes it, which may write and therefore block.
    func close() { device.withLock { $0 = nil } }
}
