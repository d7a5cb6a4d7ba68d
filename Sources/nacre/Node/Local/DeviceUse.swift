import ExactText
import LinuxKernel
import Volumes

/// Who on this node has a device that kubelet was given.
enum DeviceUse {
    /// Whether a file system of it is mounted, or a loop device lies on it, as kubelet makes one for a raw block volume.
    ///
    /// - Parameter path: Where kubelet was given the device.
    /// - Returns: Whether it must stay.
    /// - Throws: `VolumeError` when that cannot be seen.
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
