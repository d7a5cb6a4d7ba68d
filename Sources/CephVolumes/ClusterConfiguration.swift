internal import ExactText
internal import Glibc
internal import Synchronization
public import Volumes

/// One cluster of config.json.
public struct ClusterEntry: Sendable, Hashable {
    /// The key by which StorageClasses name it.
    public let clusterID: String
    /// Its monitors' addresses.
    public let monitors: [String]
    /// The RADOS namespace of its volumes; empty for the default one.
    public let radosNamespace: String
}

/// ceph-csi's `config.json`: which clusters there are, and where.
///
/// The file is checked before every use and read again if it has changed, so an edited ConfigMap takes effect without a
/// restart. An invalid entry is an error only for requests that name its cluster: Rook writes entries without monitors
/// for a moment. While an entry, or the whole file, is invalid, its last valid content stays in use.
public final class ClusterConfiguration: Sendable {
    private struct Version: Equatable {
        var inode: UInt64
        var size: Int64
        var modifiedSeconds: Int
        var modifiedNanoseconds: Int
    }

    private struct State {
        var version: Version?
        var clusters: [ClusterEntry] = []
        /// Why the file as a whole says nothing.
        var fault: String?
        var broken: [BrokenEntry] = []
    }

    private let path: String
    private let state = Mutex(State())

    /// Names the file; it may come later.
    public init(path: String) {
        self.path = path
    }

    /// All clusters, in the file's order.
    public var clusters: [ClusterEntry] { current().clusters }

    /// Why no entry of the present file can be used; `nil` if some can, or if the file names no cluster.
    public var fault: String? { current().fault }

    /// What is wrong with single entries, one sentence each; the other entries are in use.
    public var entryFaults: [String] { current().broken.map { sentence($0) } }

    /// Why volumes may be in no list, one sentence each; empty where every entry is in use and there is one.
    public var shortcomings: [String] {
        let state = current()
        let faults = [state.fault].compactMap(\.self) + state.broken.map { sentence($0) }
        return faults.isEmpty && state.clusters.isEmpty ? ["'\(path)' names no cluster"] : faults
    }

    /// The cluster of that key.
    ///
    /// Throws `.invalidArgument` that lists the known keys, `.unavailable` if the file cannot be read at all or when
    /// the cluster's entry is broken.
    public func cluster(_ clusterID: String) throws(VolumeError) -> ClusterEntry {
        let state = current()
        if let entry = state.clusters.first(where: { $0.clusterID.isExactly(clusterID) }) { return entry }
        if let fault = state.fault { throw VolumeError(.unavailable, fault) }
        if let broken = state.broken.first(where: { $0.clusterID?.isExactly(clusterID) == true }) {
            throw VolumeError(.unavailable, "\(sentence(broken)); mend it there, then retry")
        }
        let known = state.clusters.map { "'\($0.clusterID)'" }.joined(separator: ", ")
        // An entry without a clusterID may be the one that is meant.
        let nameless = state.broken.first { $0.clusterID == nil }.map { "; \(sentence($0))" } ?? ""
        throw VolumeError(
            .invalidArgument,
            "cluster '\(clusterID.printable)' is not in \(path); it names \(known.isEmpty ? "no cluster" : known)\(nameless)"
        )
        .ofMissingPlace()
    }

    private func sentence(_ broken: BrokenEntry) -> String {
        "cannot use \(broken.clusterID.map { "cluster '\($0.printable)'" } ?? "entry \(broken.number)") of '\(path)': "
            + broken.reason
    }

    private func current() -> State {
        let version = Self.version(of: path)
        return state.withLock { state in
            guard version == nil || version != state.version else { return state }
            state.version = version
            do throws(ConfigurationFault) {
                let read = try ConfigurationEntries(readingFrom: path)
                let kept = state.clusters.filter { old in
                    read.broken.contains { $0.clusterID?.isExactly(old.clusterID) == true }
                }
                state.clusters = read.clusters + kept
                state.broken = read.broken
                state.fault = nil
            } catch {
                state.fault = "cannot use '\(path)': \(error.reason); it must be ceph-csi's config.json"
            }
            return state
        }
    }

    private static func version(of path: String) -> Version? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Version(
            inode: UInt64(status.st_ino),
            size: Int64(status.st_size),
            modifiedSeconds: status.st_mtim.tv_sec,
            modifiedNanoseconds: status.st_mtim.tv_nsec
        )
    }
}
