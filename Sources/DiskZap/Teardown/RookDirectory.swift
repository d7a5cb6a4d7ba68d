internal import ExactText
public import LinuxKernel

/// The directories of one cluster below Rook's `dataDirHostPath`, which other clusters may share.
public struct RookDirectory: Sendable {
    /// The directory, without symbolic links and final slashes: mounts are known by such paths only.
    public let path: String

    /// The directory that the CephCluster names, mostly `/var/lib/rook`.
    public init(path: String) { self.path = (try? KernelFile.resolved(path)) ?? path }

    /// Files and directories of a cluster: those that name its fsid in one of Rook's own files.
    ///
    /// A namespace's directory has `NAMESPACE.config` with `fsid = …`, or an OSD directory `NAMESPACE/FSID_UUID`; a
    /// monitor's directory is its cluster's when its `data/keyring` or store cannot tell otherwise, so it is taken only
    /// if no other cluster's namespace is there.
    ///
    /// - Parameter cluster: Its fsid.
    /// - Returns: What to remove, and what stays.
    public func entries(ofCluster cluster: String) -> (own: [String], others: [String]) {
        let names = (try? KernelFile.names(in: path)) ?? []
        let directories = names.filter { kind($0) == .directory }
        let namespaces = directories.filter { !$0.startsExactly(with: ".removed-with-") && namesCluster($0, cluster) }
        let foreign = directories.filter { !namespaces.containsExactly($0) && isNamespace($0) }
        let shared = directories.filter { $0.startsExactly(with: "mon-") || $0 == "exporter" }
        let isAlone = !namespaces.isEmpty && foreign.isEmpty
        let begun = names.filter { $0.startsExactly(with: Self.removedPrefix(cluster)) }
        // Namespaces last: they identify the owner of the others.
        let own = begun + (isAlone ? shared : []) + namespaces
        let others = names.filter { !own.containsExactly($0) }
        return (own.map { "\(path)/\($0)" }, others.map { "\(path)/\($0)" })
    }

    /// The name of a directory during its removal, so that an interrupted removal is recognised.
    private static func removedPrefix(_ cluster: String) -> String { ".removed-with-\(cluster)-" }

    /// Removes one of a cluster's directories; finishes an interrupted removal.
    ///
    /// - Parameters:
    ///   - entry: As ``entries(ofCluster:)`` gave it.
    ///   - cluster: The cluster's fsid.
    /// - Throws: `KernelError`, EBUSY when something is mounted below it.
    public func remove(_ entry: String, ofCluster cluster: String) throws(KernelError) {
        let name = entry.behind("\(path)/") ?? entry
        guard !name.startsExactly(with: Self.removedPrefix(cluster)) else { return try KernelFile.removeTree(entry) }
        try Self.requireUnmounted(entry)
        let begun = "\(path)/\(Self.removedPrefix(cluster))\(name)"
        // Left from another life of the same name.
        if try FileKind.of(begun) != nil { try KernelFile.removeTree(begun) }
        try KernelFile.rename(entry, to: begun)
        try KernelFile.removeTree(begun)
    }

    private static func requireUnmounted(_ directory: String) throws(KernelError) {
        let mounts = try MountTable.current().mounts.map(\.mountPoint)
        if mounts.contains(where: { $0.isAtOrBelow(directory) }) {
            throw KernelError.busy("rmdir", directory)
        }
    }

    private func kind(_ name: String) -> FileKind? { (try? FileKind.of("\(path)/\(name)")) ?? nil }

    private func isNamespace(_ name: String) -> Bool {
        if name.startsExactly(with: ".removed-with-") { return false }
        return !configurations(name).isEmpty || osdDirectories(name).count > 0
    }

    private func namesCluster(_ name: String, _ cluster: String) -> Bool {
        osdDirectories(name).contains { $0.startsExactly(with: cluster + "_") }
            || configurations(name).contains { file in
                let text = (try? KernelFile.text(file)) ?? ""
                return text.parts(at: "\n").contains { line in
                    let words = line.split(whereSeparator: { $0 == " " || $0 == "=" || $0 == "\t" })
                    return words.count == 2 && words[0] == "fsid" && words[1] == cluster
                }
            }
    }

    private func configurations(_ name: String) -> [String] {
        let files = (try? KernelFile.names(in: "\(path)/\(name)")) ?? []
        return files.filter { $0.endsExactly(with: ".config") || $0.endsExactly(with: ".conf") }.map {
            "\(path)/\(name)/\($0)"
        }
    }

    private func osdDirectories(_ name: String) -> [String] {
        let names = (try? KernelFile.names(in: "\(path)/\(name)")) ?? []
        // FSID_OSDUUID
        return names.filter { $0.utf8.count == 73 && $0.dropFirst(36).first == "_" }
    }
}
