internal import ExactText
internal import LinuxKernel

/// Names below `/dev` of mappings that do not exist any more.
public struct StaleLinks: Sendable {
    private static let patience = Duration.seconds(2)
    let dev: String

    /// Names below `dev`.
    public init(dev: String = "/dev") { self.dev = dev }

    /// Waits for udevd to remove the links of mappings, then removes what it left.
    func remove(of steps: [TeardownStep]) -> [String] { remove(namesOf: steps.map(\.mapping)) }

    /// Waits for udevd to remove the names of mappings that were removed, then removes those that it left.
    ///
    /// - Parameter mappings: Their names.
    /// - Returns: What was removed.
    public func remove(namesOf mappings: [String]) -> [String] {
        let names = mappings.map { "\(dev)/mapper/\($0)" }
        let deadline = ContinuousClock.now + Self.patience
        while names.contains(where: { exists($0) }), .now < deadline { Threads.pause(.milliseconds(50)) }
        let live = liveDevices()
        let nodes = names.filter { isStale($0, live) && remove($0) }
        let groups = mappings.compactMap { MappingName($0)?.group }
        return nodes + Set(groups).sorted().flatMap { removeDangling(in: "\(dev)/\($0)") }
    }

    /// Removes the stale names that ceph-volume's mappings leave: `/dev/ceph-*` and `/dev/mapper/ceph--*`.
    ///
    /// - Parameter isDryRun: Whether to report only what would be removed.
    /// - Returns: What was removed.
    public func removeCephLeftovers(isDryRun: Bool) -> [String] {
        let live = liveDevices()
        let mappings = names(in: "\(dev)/mapper").filter { $0.startsExactly(with: "ceph-") }.map {
            "\(dev)/mapper/\($0)"
        }
        .filter { isStale($0, live) }
        let directories = names(in: dev).filter { $0.startsExactly(with: "ceph-") }.map { "\(dev)/\($0)" }
        if isDryRun {
            return mappings
                + directories.flatMap { directory in
                    names(in: directory).map { "\(directory)/\($0)" }.filter { DevicePath.isDangling($0) }
                }
        }
        return mappings.filter(remove) + directories.flatMap(removeDangling)
    }

    private func removeDangling(in directory: String) -> [String] {
        guard (try? FileKind.of(directory)) == .directory else { return [] }
        let gone = names(in: directory).map { "\(directory)/\($0)" }.filter { DevicePath.isDangling($0) && remove($0) }
        guard names(in: directory).isEmpty, (try? KernelFile.removeDirectory(directory)) != nil else { return gone }
        return gone + [directory]
    }

    /// A dangling link, or a device node whose number belongs to no mapping.
    private func isStale(_ path: String, _ live: Set<DeviceNumber>?) -> Bool {
        if DevicePath.isDangling(path) { return true }
        guard let live, case .blockDevice(let device)? = try? FileKind.of(path) else { return false }
        return !live.contains(device)
    }

    private func liveDevices() -> Set<DeviceNumber>? {
        (try? DeviceMapper(control: "\(dev)/mapper/control").mappings()).map { Set($0.map(\.device)) }
    }

    private func exists(_ path: String) -> Bool { (try? FileKind.of(path)) != nil }
    private func names(in directory: String) -> [String] { (try? KernelFile.names(in: directory)) ?? [] }
    private func remove(_ path: String) -> Bool { (try? KernelFile.remove(path)) != nil }
}
