import ExactText
import LinuxKernel
import Volumes

/// Users on this node of a device that kubelet got.
enum DeviceUse {
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
