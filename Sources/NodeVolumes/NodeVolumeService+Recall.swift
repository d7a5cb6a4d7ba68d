internal import ExactText
internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import NodeMapping
internal import Volumes

/// Pods' paths that the kernel has and no record: the records are caches, and somebody deleted them.
extension NodeVolumeService {
    /// Notes where a volume is mounted besides its staging path, when its record is new.
    ///
    /// A publish for one pod alone is refused by these, and an unpublish finds them. They were published as what the volume is
    /// staged as; nothing else is known of them.
    ///
    /// - Parameters:
    ///   - record: Of a stage that has not ended, or that was not known to have.
    ///   - device: The volume's device.
    /// - Throws: `VolumeError` when the kernel does not tell its mounts.
    func recallTargets(_ record: inout VolumeRecord, _ device: MappedDevice) async throws(VolumeError) {
        let table = try await mountTable()
        let (staged, usage, number) = (record.stagedMount, record.usage, device.device)
        let known = record.targets.map(\.path)
        let found = try await kernel("look for where volume '\(record.volumeID)' is published") {
            () throws(KernelError) -> [VolumeRecord.Target] in
            let places =
                usage.isBlock
                ? try OwnMount.placesShowing([number])
                : table.mounts(of: number).filter { $0.root == "/" }.map(\.mountPoint)
            var seen = [staged] + known
            var found: [VolumeRecord.Target] = []
            for path in places {
                // A volume at a pod's path can be mounted once more, for a part of it that kubelet gives to a container.
                guard !path.parts(at: "/").containsExactly("volume-subpaths"), !Self.isKubelets(path),
                    let mount = table.mount(at: path),
                    // kubelet's directory can be bound elsewhere and shows all its mounts there, too.
                    !seen.contains(where: { KernelFile.isSamePlace($0, path) })
                else { continue }
                seen.append(path)
                found.append(
                    VolumeRecord.Target(
                        path: path,
                        isReadOnly: usage.isReadOnly || !usage.isBlock && mount.options.contains("ro"),
                        usage: usage,
                        device: "\(number)",
                        mount: VolumeRecord.Target.note(of: mount)
                    )
                )
            }
            return found
        }
        guard !found.isEmpty else { return }
        logger.notice(
            "a volume is published where no record says so: the records were deleted",
            metadata: ["csi.volume.id": "\(record.volumeID)", "paths": "\(found.map(\.path))"]
        )
        record.targets += found
    }

    /// Whether kubelet itself binds a pod's block volume there once more, beside where it was published for that pod.
    ///
    /// `…/plugins/kubernetes.io/csi/volumeDevices/NAME/dev/UID`.
    /// See: Kubernetes, pkg/volume/util, `MapBlockVolume`.
    private static func isKubelets(_ path: String) -> Bool {
        let end = Array(path.parts(at: "/").suffix(4))
        return end.count == 4 && end[0].isExactly("volumeDevices") && !end[1].isExactly("publish")
            && end[2].isExactly("dev")
    }
}
