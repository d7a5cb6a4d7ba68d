import ExactText
import FoundationEssentials
import LinuxKernel
import NodeVolumes
import Volumes

/// What this command line mapped and mounted on this machine: one small file for each volume, written before the action
/// and removed after it was undone, so that a killed command can be repeated or undone.
///
/// `<state>/cli/<cluster@pool@namespace@image>/use.json`, and `staging/` beside it. A handle contains no `@`. The directory
/// is locked by the command that works on its volume.
struct LocalUses: Sendable {
    let stateDirectory: String
    let runDirectory: String

    /// The use of a volume; `nil` if there is none.
    func use(of id: VolumeID) throws -> LocalUse? {
        try read(id.directoryName)
    }

    /// The use at `path`; `nil` if there is none.
    func use(at path: String) throws -> LocalUse? {
        try all().first { $0.path.isExactly(path) }
    }

    /// The use of the volume with this name; `nil` if there is none.
    ///
    /// Sends no request, so that mounted volumes can be named while the cluster is unreachable.
    func use(of name: VolumeName) throws -> LocalUse? {
        try all().first { use in
            guard let id = try? VolumeID(parsing: use.volumeID) else { return false }
            // It may have been named by its handle or image.
            let isImage = use.name.map { [id.image, id.imageSpec, "\(id)"].containsExactly($0) } ?? true
            return use.name?.isExactly(name.description) == true || name.names(id, called: isImage ? nil : use.name)
        }
    }

    /// All uses.
    func all() throws -> [LocalUse] {
        let directory = "\(stateDirectory)/cli"
        let names: [String] = try looking { () throws(KernelError) in
            try FileKind.of(directory) == nil ? [] : KernelFile.names(in: directory)
        }
        return try names.compactMap { try read($0) }
    }

    /// The use of a volume whose path shows that volume now; `nil` if there is none.
    ///
    /// A mount that ran out of time, or was killed, has a record and is at no path. What another volume or another program
    /// has at the path is not this volume's.
    func presentUse(of id: VolumeID) throws -> LocalUse? {
        guard let use = try use(of: id) else { return nil }
        return try present([use]).first
    }

    /// Those of `uses` whose paths show their volumes now, by the mounts and by what the node service has published.
    func present(_ uses: [LocalUse]) throws -> [LocalUse] {
        guard !uses.isEmpty else { return [] }
        let mounts = try MountTable.current()
        let known = try NodeVolumeService.knownVolumes(in: stateDirectory)
        return uses.filter { use in
            mounts.mount(at: use.path) != nil
                && known.contains { $0.volumeID.isExactly(use.volumeID) && $0.targets.containsExactly(use.path) }
        }
    }

    /// Whether a use may still be at its path: something is mounted there, and it is no other volume of the node service's.
    private func holdsPath(_ use: LocalUse) throws -> Bool {
        guard try MountTable.current().mount(at: use.path) != nil else { return false }
        return try !NodeVolumeService.knownVolumes(in: stateDirectory).contains {
            !$0.volumeID.isExactly(use.volumeID) && $0.targets.containsExactly(use.path)
        }
    }

    /// Forgets the use of a volume that was deleted, and whose name another may get.
    ///
    /// Does nothing where another command works on the volume, or where the path shows it.
    func forget(_ id: VolumeID) throws {
        guard try use(of: id) != nil, let lock = try DirectoryLock.tryTake(directory(of: id)) else { return }
        defer {
            leave(id)
            withExtendedLifetime(lock) {}
        }
        if try presentUse(of: id) == nil { try end(id) }
    }

    /// Waits until no other command maps, mounts or releases the volume.
    ///
    /// Whoever has the lock is the only one to write its record, to stage and to unstage it.
    ///
    /// - Returns: The lock, for as long as the work goes on.
    /// - Throws: `CommandFailure` with `.tryAgain` at the deadline.
    func lock(_ id: VolumeID, until deadline: ContinuousClock.Instant) async throws -> DirectoryLock {
        while true {
            if let lock = try DirectoryLock.tryTake(directory(of: id)) { return lock }
            guard .now < deadline else {
                throw CommandFailure(
                    .tryAgain,
                    "another nacre volume command still maps, mounts or releases volume '\(id)' on this machine; wait for "
                        + "its end, then repeat this one"
                )
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Removes what `lock` made for a volume that has no use.
    func leave(_ id: VolumeID) {
        // Fails where there is one: its record is in the directory.
        try? KernelFile.removeDirectory(directory(of: id))
    }

    /// Records a use and creates the staging directory.
    ///
    /// - Throws: `CommandFailure` if the volume is in use in another way.
    func begin(_ use: LocalUse, of id: VolumeID) throws {
        if let present = try self.use(of: id), !present.isSame(as: use), try holdsPath(present) {
            throw CommandFailure(
                .failed,
                "volume '\(use.title)' is in use at '\(present.path)' already; end that by: "
                    + "\(present.kind.opposite) \(use.title.shellWord)"
            )
        }
        let record = try Array(JSONEncoder().encode(use))
        do throws(KernelError) {
            try KernelFile.makeDirectories(stagingPath(of: id))
            try KernelFile.replace(recordPath(of: id), with: record)
        } catch {
            throw CommandFailure(
                error.isNotAllowed ? .notPermitted : .failed,
                "cannot \(use.kind == .mount ? "mount" : "map") volume '\(use.title)': the state directory "
                    + "'\(stateDirectory)' cannot take its record: \(error.words); nothing was done; mend that (df, ls -ld), then "
                    + "repeat this"
            )
        }
    }

    /// Writes the record of a use.
    func record(_ use: LocalUse, of id: VolumeID) throws {
        try KernelFile.replace(recordPath(of: id), with: Array(JSONEncoder().encode(use)))
    }

    private func recordPath(of id: VolumeID) -> String { "\(directory(of: id))/use.json" }

    /// Forgets a use that has ended.
    ///
    /// The directory stays for `leave`: once it is gone, another command can make and lock a new one.
    func end(_ id: VolumeID) throws {
        try KernelFile.removeDirectory(stagingPath(of: id))
        try KernelFile.removeDirectory("\(runDirectory)/cli/\(id.directoryName)")
        try KernelFile.remove("\(directory(of: id))/use.json")
    }

    /// Where the volume is staged.
    func stagingPath(of id: VolumeID) -> String { "\(directory(of: id))/staging" }

    /// Where the volume's device shows up.
    func devicePath(of id: VolumeID) -> String { "\(runDirectory)/cli/\(id.directoryName)/device" }

    private func directory(of id: VolumeID) -> String { "\(stateDirectory)/cli/\(id.directoryName)" }

    private func read(_ name: String) throws -> LocalUse? {
        let path = "\(stateDirectory)/cli/\(name)/use.json"
        let record: [UInt8]? = try looking { () throws(KernelError) in
            try FileKind.of(path) == nil ? nil : KernelFile.bytes(path)
        }
        guard let record else { return nil }
        guard let use = try? JSONDecoder().decode(LocalUse.self, from: Data(record)) else {
            throw CommandFailure(.failed, "'\(path)' cannot be read; remove it if no volume of that name is mounted")
        }
        return use
    }

    /// Reads of the records; what may not be read is root's.
    private func looking<R>(_ body: () throws(KernelError) -> R) throws(CommandFailure) -> R {
        do throws(KernelError) {
            return try body()
        } catch {
            throw CommandFailure(
                error.isNotAllowed ? .notPermitted : .failed,
                "cannot read what this machine has mounted and mapped, in state directory '\(stateDirectory)': "
                    + "\(error.words); \(error.isNotAllowed ? "run the command as root" : "mend that, then repeat this")"
            )
        }
    }
}
