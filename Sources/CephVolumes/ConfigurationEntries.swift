internal import ExactText
internal import FoundationEssentials
internal import Glibc
internal import Secrets
internal import Volumes

/// Why the whole of a config.json cannot be used.
struct ConfigurationFault: Error {
    let reason: String
}

/// An entry of config.json that cannot be used.
struct BrokenEntry: Sendable {
    /// Which one it is, from 1.
    var number: Int
    /// Its clusterID, if it has one.
    var clusterID: String?
    /// A clause: `it has no monitors`.
    var reason: String
}

/// What a config.json says, entry by entry.
struct ConfigurationEntries {
    private(set) var clusters: [ClusterEntry] = []
    private(set) var broken: [BrokenEntry] = []

    /// Reads the file; faults of entries are collected, a fault of the file is thrown.
    init(readingFrom path: String) throws(ConfigurationFault) {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw ConfigurationFault(reason: "it cannot be read (\(String(cString: strerror(errno))))")
        }
        let entries: [Lenient]
        do {
            entries = try JSONDecoder().decode([Lenient].self, from: data)
        } catch DecodingError.typeMismatch {
            throw ConfigurationFault(reason: "it has the wrong type, for it is no list")
        } catch {
            throw ConfigurationFault(reason: "it is not JSON")
        }
        var found: [(number: Int, entry: ClusterEntry)] = []
        for (index, lenient) in entries.enumerated() {
            do throws(ConfigurationFault) {
                found.append((index + 1, try lenient.checked()))
            } catch {
                broken.append(BrokenEntry(number: index + 1, clusterID: lenient.clusterID, reason: error.reason))
            }
        }
        // With two entries it is unknown which one is meant, and whether volumes of the other exist.
        for (number, entry) in found {
            let others = found.filter { $0.entry.clusterID.isExactly(entry.clusterID) && $0.number != number }.map(
                \.number
            )
            if let other = others.first {
                guard number < other else { continue }
                let reason = "it is there twice, as entries \(number) and \(other)"
                broken.append(BrokenEntry(number: number, clusterID: entry.clusterID, reason: reason))
            } else {
                clusters.append(entry)
            }
        }
    }
}

/// An entry as far as it can be read.
private struct Lenient: Decodable {
    private struct RBD: Decodable {
        var radosNamespace: String?
    }

    private struct Entry: Decodable {
        var clusterID: String
        var monitors: [String]
        var rbd: RBD?
        /// Where ceph-csi kept the namespace before its release 3.5.
        var radosNamespace: String?
    }

    private struct Name: Decodable {
        var clusterID: String
    }

    let clusterID: String?
    private let outcome: Result<Entry, ConfigurationFault>

    init(from decoder: any Decoder) {
        clusterID = (try? Name(from: decoder)).flatMap { name in
            name.clusterID.isEmpty || CephKey.isIn(name.clusterID) ? nil : name.clusterID
        }
        do {
            outcome = .success(try Entry(from: decoder))
        } catch let error as DecodingError {
            outcome = .failure(ConfigurationFault(reason: Self.reason(error, below: decoder.codingPath.count)))
        } catch {
            outcome = .failure(ConfigurationFault(reason: "it cannot be read"))
        }
    }

    func checked() throws(ConfigurationFault) -> ClusterEntry {
        let entry = try outcome.get()
        let names = [entry.clusterID, entry.rbd?.radosNamespace ?? "", entry.radosNamespace ?? ""]
        guard !(names + entry.monitors).contains(where: CephKey.isIn) else {
            throw ConfigurationFault(
                reason: "it holds a cephx key, which belongs in a Secret; take it out, and rotate it"
            )
        }
        guard !entry.clusterID.isEmpty else { throw ConfigurationFault(reason: "it has an empty clusterID") }
        guard !entry.monitors.isEmpty else { throw ConfigurationFault(reason: "it has no monitors") }
        // A comma or a space would make two of one.
        for monitor in entry.monitors
        where monitor.isEmpty || monitor.unicodeScalars.contains(where: { $0.isControl || $0 == " " }) {
            throw ConfigurationFault(reason: "'\(monitor.printable)' is no monitor's address")
        }
        let namespace = entry.rbd?.radosNamespace ?? entry.radosNamespace ?? ""
        if let refusal = VolumeID.refusal(clusterID: entry.clusterID, namespace: namespace) {
            throw ConfigurationFault(reason: "no volume can be named there: \(refusal)")
        }
        return ClusterEntry(clusterID: entry.clusterID, monitors: entry.monitors, radosNamespace: namespace)
    }

    private static func reason(_ error: DecodingError, below depth: Int) -> String {
        switch error {
        case .keyNotFound(let key, _): return "it lacks '\(key.stringValue)'"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            let field = context.codingPath.dropFirst(depth).map(\.stringValue).joined(separator: ".")
            return field.isEmpty ? "it has the wrong type, for it is no object" : "its '\(field)' has the wrong type"
        case .dataCorrupted: return "it cannot be read"
        @unknown default: return "it cannot be read"
        }
    }
}
