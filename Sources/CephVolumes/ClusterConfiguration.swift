internal import FoundationEssentials
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
/// The file is looked at before every use and read again when it has changed, so an edited ConfigMap takes effect without
/// a restart; while what it holds is not readable, the last good content stays in use and `fault` says why.
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
        var fault: String?
    }

    private let path: String
    private let state = Mutex(State())

    /// Names the file; it may come later.
    public init(path: String) {
        self.path = path
    }

    /// All clusters, in the file's order.
    public var clusters: [ClusterEntry] { current().clusters }

    /// Why the file as it is now cannot be used; nothing when it can.
    public var fault: String? { current().fault }

    /// The cluster of that key.
    ///
    /// Throws `.invalidArgument` that names the keys there are, `.unavailable` when the file cannot be read at all.
    public func cluster(_ clusterID: String) throws(VolumeError) -> ClusterEntry {
        let state = current()
        if let entry = state.clusters.first(where: { $0.clusterID == clusterID }) { return entry }
        if let fault = state.fault { throw VolumeError(.unavailable, fault) }
        let known = state.clusters.map { "'\($0.clusterID)'" }.joined(separator: ", ")
        throw VolumeError(
            .invalidArgument,
            "cluster '\(clusterID.printable)' is not in \(path); it names \(known.isEmpty ? "no cluster" : known)"
        )
    }

    private func current() -> State {
        let version = Self.version(of: path)
        return state.withLock { state in
            guard version == nil || version != state.version else { return state }
            state.version = version
            do throws(ConfigurationFault) {
                state.clusters = try Self.read(path)
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

    private struct ConfigurationFault: Error {
        let reason: String
    }

    private struct Entry: Decodable {
        struct RBD: Decodable {
            var radosNamespace: String?
        }
        var clusterID: String
        var monitors: [String]
        var rbd: RBD?
        /// Where ceph-csi had the namespace before its release 3.5.
        var radosNamespace: String?
    }

    private static func read(_ path: String) throws(ConfigurationFault) -> [ClusterEntry] {
        let entries: [Entry]
        do {
            entries = try JSONDecoder().decode([Entry].self, from: Data(contentsOf: URL(filePath: path)))
        } catch let error as DecodingError {
            throw ConfigurationFault(reason: describe(error))
        } catch {
            throw ConfigurationFault(reason: "it cannot be read (\(String(cString: strerror(errno))))")
        }
        var clusters: [ClusterEntry] = []
        for entry in entries {
            guard !entry.clusterID.isEmpty else { throw ConfigurationFault(reason: "an entry has an empty clusterID") }
            guard !entry.monitors.isEmpty, entry.monitors.allSatisfy({ !$0.isEmpty }) else {
                throw ConfigurationFault(reason: "cluster '\(entry.clusterID)' has no monitors")
            }
            guard !clusters.contains(where: { $0.clusterID == entry.clusterID }) else {
                throw ConfigurationFault(reason: "cluster '\(entry.clusterID)' is there twice")
            }
            let namespace = entry.rbd?.radosNamespace ?? entry.radosNamespace ?? ""
            clusters.append(
                ClusterEntry(clusterID: entry.clusterID, monitors: entry.monitors, radosNamespace: namespace)
            )
        }
        return clusters
    }

    private static func describe(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, _): "an entry lacks '\(key.stringValue)'"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has the wrong type"
        case .dataCorrupted: "it is not JSON"
        @unknown default: "it is not JSON"
        }
    }
}
