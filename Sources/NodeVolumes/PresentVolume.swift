internal import ExactText
internal import ImageMapping
internal import ImageServing
internal import KernelMapping
internal import LinuxKernel
public import Volumes

/// A volume that this machine has, as the kernel's mounts and devices tell it, whichever state directory has its record.
///
/// | what tells it | of which mapper | the state directory |
/// | --- | --- | --- |
/// | the backing file of a loop device | `fuse` | in its path |
/// | the backend of a network block device | `nbd` | in its path |
/// | sysfs of the kernel's client | `krbd` | not told |
/// | where `nacre volume mount` and `map` stage it | all | in its path |
public struct PresentVolume: Sendable, Hashable {
    /// The volume's handle.
    public let id: VolumeID
    /// The state directory of who has it, such as `/var/lib/nacre`; `nil` if the kernel does not tell.
    public let stateDirectory: String?
    /// Whether `nacre volume mount` or `map` has it, and no pod.
    public let isOfCommandLine: Bool
    /// Whether it is a raw device.
    public let isBlock: Bool
    /// Where its file system is mounted, or its device is shown; empty for a device that nobody uses.
    public let paths: [String]
    /// Whether nothing can be written where it is mounted.
    public let isReadOnly: Bool

    /// Whether the handle's cluster is known; the kernel's client tells an image, and not of which cluster of config.json.
    private let isClusterKnown: Bool

    /// All that this machine has but what a state directory has.
    ///
    /// - Parameter own: That of who asks.
    /// - Returns: The volumes, those of the command line first; none where the kernel does not say.
    public static func all(besides own: String) -> [PresentVolume] {
        guard let table = try? MountTable.current() else { return [] }
        let given = own
        let own = (try? KernelFile.canonical(given)) ?? given
        let staged = table.mounts.compactMap(Staged.init)
        let mapped = Mapped.all(besides: [given, own])
        // A state directory that is bound elsewhere shows its mounts there too.
        let ours = Set(
            staged.filter { $0.stateDirectory.isExactly(own) }.map(\.device)
                + mapped.filter { $0.stateDirectory?.isExactly(own) ?? false }.map(\.device)
        )
        var seen = ours
        var found: [PresentVolume] = []
        for staged in staged where seen.insert(staged.device).inserted {
            found.append(PresentVolume(staged, table))
        }
        for mapped in mapped where seen.insert(mapped.device).inserted {
            found.append(PresentVolume(mapped, table))
        }
        return found
    }

    /// Whether it is this volume, as far as the kernel tells.
    public func isOf(_ other: VolumeID) -> Bool {
        (!isClusterKnown || id.clusterID.isExactly(other.clusterID)) && id.pool.isExactly(other.pool)
            && id.namespace.isExactly(other.namespace) && id.image.isExactly(other.image)
    }

    /// Whether it is this volume and not one of that name in another cluster: of the cluster the kernel's client tells only the
    /// fsid, which a handle need not have.
    public func isSurely(_ other: VolumeID) -> Bool {
        isOf(other) && id.clusterID.isExactly(other.clusterID)
            && (isClusterKnown || !id.clusterID.isExactly(Mapped.unknownCluster))
    }

    private init(_ staged: Staged, _ table: MountTable) {
        (id, stateDirectory, isOfCommandLine, isBlock) = (staged.id, staged.stateDirectory, true, staged.isBlock)
        let mounts = staged.isBlock ? [] : table.mounts(of: staged.device)
        let places = staged.isBlock ? Self.places(of: staged.device) : mounts.map(\.mountPoint)
        paths = places.filter { !$0.isExactly(staged.path) }
        isReadOnly = !mounts.isEmpty && mounts.allSatisfy(\.isReadOnly)
        isClusterKnown = true
    }

    private init(_ mapped: Mapped, _ table: MountTable) {
        let mounts = table.mounts(of: mapped.device)
        (id, stateDirectory, isOfCommandLine) = (mapped.id, mapped.stateDirectory, false)
        let devices = mounts.isEmpty ? Self.places(of: mapped.device) : []
        isBlock = !devices.isEmpty
        paths = mounts.map(\.mountPoint) + devices
        isReadOnly = !mounts.isEmpty && mounts.allSatisfy(\.isReadOnly)
        isClusterKnown = mapped.isClusterKnown
    }

    private static func places(of device: DeviceNumber) -> [String] {
        (try? OwnMount.placesShowing([device])) ?? []
    }

    /// What an image that is mapped here is called by now.
    public enum Name: Sendable, Hashable {
        /// It has its name.
        case kept
        /// Another image has the name, or none: a clause that names both.
        case lost(String)
        /// Nobody says.
        case untold
    }

    /// Asks whoever serves the image whether that still has its name.
    ///
    /// Blocks the calling thread. The server asks its cluster for what has the name now.
    ///
    /// - Parameter seconds: How long it may take.
    /// - Returns: What it says; `.untold` of an image that the kernel's own client has.
    public func name(within seconds: Int) -> Name {
        guard let stateDirectory else { return .untold }
        let image = ImageAddress(clusterID: id.clusterID, pool: id.pool, namespace: id.namespace, name: id.image)
        let servers = ImageServers(stateDirectory: stateDirectory)
        guard let found = try? servers.whereabouts(of: image, within: seconds) else { return .untold }
        return found.change(of: image).map(Name.lost) ?? .kept
    }
}

/// A volume that the command line of some state directory has staged: `<state>/cli/<cluster@pool@namespace@image>/staging`.
private struct Staged {
    let id: VolumeID
    let stateDirectory: String
    let path: String
    let device: DeviceNumber
    let isBlock: Bool

    init?(_ mount: MountTable.Mount) {
        var parts = mount.mountPoint.parts(at: "/")
        let isBlock = parts.last?.isExactly("device") ?? false
        if isBlock { parts.removeLast() }
        guard parts.count > 3, parts[parts.count - 1].isExactly("staging"), parts[parts.count - 3].isExactly("cli")
        else { return nil }
        // A handle contains no '@'.
        let names = parts[parts.count - 2].parts(at: "@")
        guard names.count == 4,
            let id = try? VolumeID(clusterID: names[0], pool: names[1], namespace: names[2], image: names[3])
        else { return nil }
        if isBlock {
            guard case .blockDevice(let device)? = try? FileKind.of(mount.mountPoint) else { return nil }
            self.device = device
        } else {
            device = mount.device
        }
        (self.id, self.isBlock, path) = (id, isBlock, mount.mountPoint)
        stateDirectory = parts.dropLast(3).joined(separator: "/")
    }
}

/// A device that the kernel has for an image.
private struct Mapped {
    let id: VolumeID
    let stateDirectory: String?
    let device: DeviceNumber
    let isClusterKnown: Bool

    /// What stands for the fsid where the kernel does not tell it.
    static let unknownCluster = "ceph"

    /// All of them, but what the kernel's own client has for a state directory.
    ///
    /// - Parameter own: Its paths: as it is given, and without links.
    /// - Returns: Them.
    static func all(besides own: [String]) -> [Mapped] {
        let sysfs = Sysfs()
        let loops = ((try? KernelFile.names(in: "\(sysfs.root)/block")) ?? [])
            .compactMap { LoopDevice(path: "/dev/\($0)") }
            .compactMap { loop -> Mapped? in
                guard let file = sysfs.backingFile(of: loop),
                    // The second is of one whose file system was unmounted.
                    let end = ["/mount/image", "/mount/image (deleted)"].first(where: { file.endsExactly(with: $0) })
                else { return nil }
                return Mapped(String(decoding: file.utf8.dropLast(end.utf8.count), as: UTF8.self), loop.device)
            }
        let nbds = ((try? sysfs.connectedNBDDevices()) ?? []).compactMap { found -> Mapped? in
            guard let path = found.backend?.behind("nacre:"), let number = try? found.device.number()
            else { return nil }
            return Mapped(path, number)
        }
        let kernels = ((try? KernelRBDBus().devices()) ?? []).compactMap { device -> Mapped? in
            own.contains(where: device.isMapped) || device.snapshot != nil ? nil : Mapped(device)
        }
        return loops + nbds + kernels
    }

    /// What has its files in a mapping's directory, which says of which image it is.
    private init?(_ path: String, _ device: DeviceNumber) {
        let directory = MappingDirectory(path: path)
        let parts = path.parts(at: "/")
        guard parts.count > 2, parts[parts.count - 2].isExactly("mappings"),
            let image = MappingRecord.read(directory)?.image,
            let id = try? VolumeID(
                clusterID: image.clusterID,
                pool: image.pool,
                namespace: image.namespace,
                image: image.name
            )
        else { return nil }
        (self.id, self.device, stateDirectory, isClusterKnown) = (id, device, directory.stateDirectory, true)
    }

    private init?(_ device: KernelRBDDevice) {
        guard
            let id = try? VolumeID(
                clusterID: device.fsid.isEmpty ? Self.unknownCluster : device.fsid,
                pool: device.pool,
                namespace: device.namespace,
                image: device.image
            )
        else { return nil }
        (self.id, self.device, stateDirectory, isClusterKnown) = (id, device.device, nil, false)
    }
}
