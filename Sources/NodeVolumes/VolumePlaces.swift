internal import Blocking
internal import ExactText
internal import LinuxKernel
internal import SystemPackage
internal import Volumes

/// Which paths of this node a volume may use.
///
/// | path | why not |
/// | --- | --- |
/// | `/proc`, `/sys`, `/dev`, `/etc`, `/usr` and their kind, and all below | the system's; `/usr/local` has room below it |
/// | `/run/systemd`, `/var/lib/dpkg`, `/var/lib/ceph` and their kind, and all below | those of other services of the node |
/// | `/`, `/var`, `/var/lib` and their kind | they contain the rest of the node's files |
/// | the service's own directories, and all below and above | it would hide the service's own files or be taken for them |
/// | what the service reads, and all above: its socket, its configuration, its Secret | it would hide them |
///
/// Paths in directories that the service provides for volumes, such as that of kubelet's devices, are allowed.
public struct VolumePlaces: Sendable {
    private let own: [String]
    private let lent: [String]
    private let needed: [String]

    private static let systems = [
        "/proc", "/sys", "/dev", "/boot", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr",
        "/run/systemd", "/run/udev", "/run/dbus", "/run/lock", "/run/initctl", "/run/containerd", "/run/crio",
        "/run/docker", "/var/lib/dpkg", "/var/lib/rpm", "/var/lib/apt", "/var/lib/systemd", "/var/lib/dbus",
        "/var/lib/ceph", "/var/lib/etcd", "/var/lib/containerd",
    ]
    private static let roomInSystem = "/usr/local"
    private static let roots = [
        "/", "/home", "/opt", "/root", "/run", "/tmp", "/var", "/var/cache", "/var/lib", "/var/lib/kubelet",
        "/var/lib/kubelet/plugins", "/var/lib/kubelet/pods", "/var/log", "/var/run", "/var/spool", "/var/tmp",
    ]

    /// Says which directories are the service's.
    ///
    /// - Parameters:
    ///   - own: Its own directories, such as `/var/lib/nacre` and `/run/nacre`.
    ///   - lent: Directories in those in which volumes are allowed, such as `/var/lib/nacre/vol`.
    ///   - needed: Files and directories that must stay visible, such as `/etc/nacre/config.json`.
    public init(own: [String], lent: [String], needed: [String] = []) {
        self.own = own
        self.lent = lent
        self.needed = needed
    }

    /// Why a volume may not be at `path`; `nil` if it may.
    ///
    /// Blocks the calling thread, because it resolves symbolic links in the service's directories.
    ///
    /// - Parameters:
    ///   - path: As `KernelFile.canonical` gives it.
    ///   - given: The path as given, which may contain links of `/proc`.
    /// - Returns: The end of a sentence.
    func refusal(of path: String, given: String) -> String? {
        let parts = given.parts(at: "/", omittingEmpty: true)
        for candidate in [path, "/" + parts.joined(separator: "/")] {
            if let system = Self.systems.first(where: { candidate.isAtOrBelow($0) }),
                !candidate.isBelow(Self.roomInSystem)
            {
                return "it is in \(system), which is the system's"
            }
        }
        if Self.roots.containsExactly(path) { return "much of this node lies below it" }
        let lent = lent.map(Self.resolved)
        for directory in own.map(Self.resolved) {
            if directory.isAtOrBelow(path) { return "the service's own directory '\(directory)' is or lies in it" }
            guard path.isBelow(directory), !lent.contains(where: { path.isBelow($0) }) else { continue }
            return "it is in '\(directory)', which is the service's own"
        }
        // What is given may be a symbolic link: neither it nor what it leads to may disappear.
        for needed in needed.flatMap({ [$0, Self.resolved($0)] }) where needed.isAtOrBelow(path) {
            return "'\(needed)', which the service needs, is or lies in it"
        }
        return nil
    }

    private static func resolved(_ directory: String) -> String {
        (try? KernelFile.canonical(directory)) ?? directory
    }
}

extension NodeVolumeService {
    /// What a path is given for.
    enum PlaceUse: String {
        case staging = "staging path"
        case target = "target path"
    }

    /// The canonical path, if a volume may be there.
    func givenPlace(_ given: String, _ use: PlaceUse) async throws(VolumeError) -> String {
        let path = try await canonical(given, use.rawValue)
        let places = places
        if let refusal = await pool.run({ places.refusal(of: path, given: given) }) {
            throw .invalid(
                "\(use.rawValue) '\(given.printable)' cannot be given to a volume: \(refusal); give a directory of its own"
            )
        }
        return path
    }

    /// Refuses a path that would hide another volume's path or another mount, or be hidden by one.
    func refuseOverlap(_ path: String, _ use: PlaceUse, of volumeID: String) async throws(VolumeError) {
        let records = records
        let all = try await kernel("read the records of volumes") { () throws(KernelError) in try records.all() }
        for record in all {
            let isItself = use == .staging && record.volumeID.isExactly(volumeID)
            if !isItself, path.isAtOrBelow(record.stagingPath) || record.stagingPath.isBelow(path) {
                throw .invalid(
                    "\(use.rawValue) '\(path.printable)' cannot be given to volume '\(volumeID.printable)': volume "
                        + "'\(record.volumeID)' is in use at '\(record.stagingPath)'; give a path apart from it"
                )
            }
            // The same target is published again, or was by another volume that is not there any more: the mount tells.
            let hidden = record.targets.first { path.isBelow($0.path) || use == .staging && path.isExactly($0.path) }
            guard let target = hidden else { continue }
            throw .invalid(
                "\(use.rawValue) '\(path.printable)' cannot be given to volume '\(volumeID.printable)': volume "
                    + "'\(record.volumeID)' is mounted at '\(target.path)'; give a path apart from it"
            )
        }
        guard try await mountTable().mount(at: path) == nil else { return }
        let below = try await mountTable().mounts(below: path)
        // The device of a block volume is below its staging path.
        if let mount = below.first(where: { use == .target || !$0.mountPoint.isExactly("\(path)/device") }) {
            throw VolumeError(
                .failedPrecondition,
                "\(use.rawValue) '\(path.printable)' would hide '\(mount.mountPoint)', where \(mount.source) "
                    + "(\(mount.fileSystem)) is mounted; give another path, or unmount it"
            )
        }
    }

    /// Refuses a place with something that the mount would hide, and that would keep its removal from succeeding.
    func refuseContent(at path: String, _ use: PlaceUse, isBlock: Bool) async throws(VolumeError) {
        let what = "look at '\(path.printable)'"
        let found: PlaceContent
        do throws(KernelError) {
            found = try await pool.run { () throws(KernelError) in try MountPlace(path).content() }
        } catch {
            // Its parent is made with it.
            guard error.errno != .noSuchFileOrDirectory else { return }
            throw Self.placeError(error, path, what)
        }
        let obstacle: String
        switch found {
        case .nothing: return
        case .emptyDirectory where !isBlock, .emptyFile where isBlock: return
        case .emptyDirectory: obstacle = "is a directory, and a block volume's is a file"
        case .emptyFile, .text: obstacle = isBlock ? "is a file with something in it" : "is a file, not a directory"
        case .files: obstacle = "has files in it, which the volume would hide"
        case .symbolicLink, .special: obstacle = "is neither a directory nor a file"
        }
        throw VolumeError(
            .failedPrecondition,
            "\(use.rawValue) '\(path.printable)' \(obstacle); remove it, or give another path"
        )
    }

    /// Runs work at a place, which is opened without following links; `what` says what could not be done.
    func at<R: Sendable>(
        _ path: String,
        makingParents mode: UInt32? = nil,
        _ what: String,
        _ body: @escaping @Sendable (borrowing MountPlace) throws(KernelError) -> R
    ) async throws(VolumeError) -> R {
        do throws(KernelError) {
            return try await pool.run { () throws(KernelError) in
                try body(try MountPlace(path, makingParents: mode))
            }
        } catch {
            throw Self.placeError(error, path, what)
        }
    }

    static func placeError(_ error: KernelError, _ path: String, _ what: String) -> VolumeError {
        switch error.errno {
        case .tooManySymbolicLinkLevels, .notDirectory:
            return VolumeError(
                .failedPrecondition,
                "cannot \(what): '\(path.printable)' is a symbolic link or a file, or leads through one "
                    + "(\(error.call): \(error.errnoName)); a volume is mounted on directories alone, so remove it or "
                    + "give another path"
            )
        case .staleNFSFileHandle:
            return VolumeError(
                .failedPrecondition,
                "cannot \(what): '\(error.subject)' has changed meanwhile; repeat the call"
            )
        default: return VolumeError(code(of: error), "cannot \(what): \(error)")
        }
    }
}
