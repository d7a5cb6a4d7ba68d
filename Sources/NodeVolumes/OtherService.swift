internal import Blocking
internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import NodeMapping
public import Volumes

/// Another service of this machine, by its state directory: one that was started with another `--state-dir`.
public enum OtherService {
    /// The state directory of the service that serves a volume here, if it is not this one.
    ///
    /// Only what the fuse mapper serves is told: its mount is in the mount table.
    ///
    /// - Parameters:
    ///   - id: The volume.
    ///   - own: This service's state directory; `nil` for none.
    /// - Returns: Such as `/var/lib/nacre`; `nil` if no other one has it.
    public static func stateDirectory(having id: VolumeID, besides own: String?) -> String? {
        stateDirectory(
            having: ImageAddress(clusterID: id.clusterID, pool: id.pool, namespace: id.namespace, name: id.image),
            besides: own
        )
    }

    /// The same of an image.
    static func stateDirectory(having image: ImageAddress, besides own: String?) -> String? {
        let place = "/mappings/\(image.fileName)/mount"
        let own = own.map { (try? KernelFile.canonical($0)) ?? $0 }
        let mounts = (try? MountTable.current().mounts) ?? []
        let found = mounts.filter { $0.mountPoint.endsExactly(with: place) }
        // A state directory that is bound elsewhere shows its mounts there too.
        let ours = Set(
            found.filter { mount in own.map { mount.mountPoint.isExactly($0 + place) } ?? false }.map(\.device)
        )
        return found.first { !ours.contains($0.device) }
            .map { String(decoding: $0.mountPoint.utf8.dropLast(place.utf8.count), as: UTF8.self) }
    }
}

extension NodeVolumeService {
    /// What to do about a volume that another service of this machine has, for the end of a sentence; `nil` if none has.
    func elsewhere(_ image: ImageAddress?) async -> String? {
        guard let image else { return nil }
        let own = String(decoding: records.directory.utf8.dropLast("/volumes".utf8.count), as: UTF8.self)
        guard let other = await pool.run({ OtherService.stateDirectory(having: image, besides: own) }) else {
            return nil
        }
        return
            "it is mapped on this very machine by a service with the state directory '\(other.printable)', and this one "
            + "has '\(own.printable)': start the service with --state-dir \(other.shellWord) and end its use by that"
    }

    /// Why an image cannot be mapped; one that this node has by another service is not to be fenced.
    func explained(_ error: MappingError, _ image: ImageAddress) async -> VolumeError {
        guard error.holder.map({ $0.isExactly(info.nodeID) }) ?? false, let other = await elsewhere(image) else {
            return VolumeError(error)
        }
        return VolumeError(.failedPrecondition, "cannot map image \(image): \(other)")
    }
}
