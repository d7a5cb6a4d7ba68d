import ExactText
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

extension LocalUses {
    /// What to say of a volume that this machine has by another state directory; `nil` if it has none so.
    ///
    /// - Parameters:
    ///   - id: The volume, which is not here by what this state directory says.
    ///   - users: Who has it, by their nodes' names.
    /// - Returns: The clause, which ends in what to do.
    func noteElsewhere(_ id: VolumeID, _ users: [String]) -> String? {
        if let other = elsewhere(id) {
            guard other.volume.isSurely(id) else {
                return
                    "it may be \(other.words): that is an image of the same name, of the cluster with the fsid "
                    + "'\(other.volume.id.clusterID.printable)'"
            }
            let hint = other.stateDirectory.map { ": name that by --state-dir \($0.shellWord)" } ?? ""
            return "it is \(other.words)\(hint)"
        }
        if let other = OtherService.stateDirectory(having: id, besides: stateDirectory) {
            return
                "it is mapped on this very machine by a service with the state directory '\(other.printable)', and this "
                + "command looked into '\(stateDirectory.printable)': name it by --state-dir \(other.shellWord)"
        }
        let known = (try? NodeVolumeService.knownVolumes(in: stateDirectory)) ?? []
        guard users.containsExactly(ThisMachine.name), !known.contains(where: { $0.volumeID.isExactly("\(id)") }) else {
            return nil
        }
        return
            "node '\(ThisMachine.name)', which is called as this machine, has it, but nothing in the state directory "
            + "'\(stateDirectory.printable)' says where: if the service has another one, name that by --state-dir"
    }
}
