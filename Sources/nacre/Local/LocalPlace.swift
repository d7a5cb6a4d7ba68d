import LinuxKernel
import NodeVolumes
import Volumes

/// Where a volume is on this machine, for any user.
struct LocalPlace: Sendable, Equatable {
    /// Where it is mounted, or its device is.
    let path: String
    /// Whether it is a raw device.
    let isBlock: Bool
}

extension Session {
    /// Where a volume is mounted or mapped on this machine: by this command line, or by the node service for kubelet.
    func place(of id: VolumeID, in uses: LocalUses) async throws -> LocalPlace? {
        if let use = try uses.presentUse(of: id) { return LocalPlace(path: use.path, isBlock: use.kind == .device) }
        let mounts = try MountTable.current()
        let known = try NodeVolumeService.knownVolumes(in: uses.stateDirectory).first { $0.volumeID == "\(id)" }
        guard let known else { return nil }
        if mounts.mount(at: known.mountPath) != nil {
            return LocalPlace(path: known.stagingPath, isBlock: known.isBlock)
        }
        return known.targets.first { mounts.mount(at: $0) != nil }
            .map { LocalPlace(path: $0, isBlock: known.isBlock) }
    }
}
