import ExactText
import LinuxKernel
import Volumes

/// A device that kubelet got, and who on this node uses it.
enum KubeletDevice {
    /// Whether it is mounted, or has a loop device, which kubelet makes for a raw block volume.
    ///
    /// - Parameter path: The device's path for kubelet.
    /// - Returns: Whether it must stay.
    /// - Throws: `VolumeError` if that cannot be determined.
    static func isInUse(_ path: String) throws(VolumeError) -> Bool {
        do throws(KernelError) {
            for name in try KernelFile.names(in: "/sys/block") where name.startsExactly(with: "loop") {
                guard KernelFile.firstLine("/sys/block/\(name)/loop/backing_file")?.isExactly(path) != true else {
                    return true
                }
            }
            guard case .blockDevice(let device)? = try FileKind.of(path) else { return false }
            return try !MountTable.current().mounts(of: device).isEmpty
        } catch {
            throw VolumeError(.internal, "cannot see who has '\(path)': \(error)")
        }
    }
}
