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
/// | `/`, `/var`, `/var/lib` and their kind | they contain the rest of the node's files |
/// | the service's own directories, and all below and above | it would hide the service's own files or be taken for them |
///
/// Paths in directories that the service provides for volumes, such as that of kubelet's devices, are allowed.
public struct VolumePlaces: Sendable {
    private let own: [String]
    private let lent: [String]

    private static let systems = [
        "/proc", "/sys", "/dev", "/boot", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr",
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
    public init(own: [String], lent: [String]) {
        self.own = own
        self.lent = lent
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
            guard use == .staging, let target = record.targets.first(where: { path.isAtOrBelow($0.path) }) else {
                continue
            }
            throw .invalid(
                "staging path '\(path.printable)' cannot be given to volume '\(volumeID.printable)': volume "
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
