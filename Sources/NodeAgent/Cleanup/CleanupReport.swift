import ExactText
package import JSON
import KubernetesAPI

/// A disk of a cluster that leaves, and what becomes of it.
package struct CleanupDisk: Encodable, Sendable, Hashable {
    /// As nacre-disk calls it.
    let path: String
    /// Its serial number, or what stands for it.
    let serial: String
    /// `planned`, `clean`, or why it is not: `refused`, `waiting`, `interrupted`, `failed`, `leftovers`.
    let state: String
    /// The reasons, and what to do.
    let reasons: [String]

    /// For people: `/dev/sdb (S3R1AL)`.
    var name: String { "\(path) (\(serial))" }

    /// For people: why it stays.
    var whyItStays: String { "\(name) \(state): \(reasons.joined(separator: "; "))" }

    /// Reads an element of a plan, of the outcomes, or of the refused.
    init?(_ value: JSONValue, state: String? = nil) {
        guard let path = value["path"]?.string else { return nil }
        self.path = path
        serial = value["identity", "proof"]?.string ?? "?"
        let refusals = value["refusals"]?.elements ?? []
        self.state = state ?? (refusals.isEmpty ? value["state"]?.string ?? "planned" : "refused")
        reasons = (refusals + (value["details"]?.elements ?? [])).compactMap { reason in
            if let text = reason.string { return text }
            guard let message = reason["message"]?.string, let remedy = reason["remedy"]?.string else { return nil }
            return "\(message); \(remedy)"
        }
    }

    init(waiting path: String) {
        self.path = path
        serial = "?"
        state = "waiting"
        reasons = ["the db or wal of its OSD is not erased yet, and only it knows whose that is"]
    }
}

/// What nacre-disk would do to a node, or has done.
package struct CleanupReport: Encodable, Sendable {
    package let node: String
    package let cluster: String
    package let otherClusters: [String]
    /// How disks are erased: `quick`, `complete zero`, `complete random`.
    package let method: String
    /// Whether nothing of the clusters is left on the node.
    package let complete: Bool
    package let disks: [CleanupDisk]
    /// Disks that nobody can tell of, and why.
    package let unclear: [String]
    /// Directories that would be, or are, removed.
    package let directories: [String]
    /// Why there is nothing else here.
    package let errors: [String]
    /// All of it in a sentence.
    package let summary: String

    /// A node of which nothing is known.
    package init(node: String, failure: String) {
        self.init(node, "", JSONValue([:]), complete: false, summary: failure)
    }

    /// What would be done.
    ///
    /// - Parameters:
    ///   - node: The node.
    ///   - method: As ``method``.
    ///   - plan: The answer of `teardown --plan`.
    ///   - errors: What it said of errors.
    package init(node: String, method: String, plan: JSONValue, errors: [String]) {
        let disks = (plan["plans"]?.elements ?? []).compactMap { CleanupDisk($0) }
        let (refused, planned) = (disks.filter { $0.state == "refused" }, disks.filter { $0.state != "refused" })
        let unclear = Self.unclear(plan)
        let cluster = plan["cluster"]?.string ?? "?"
        let parts = [
            planned.isEmpty
                ? "no disk of the cluster \(cluster) to erase"
                : "\(planned.count == 1 ? "1 disk" : "\(planned.count) disks") of the cluster \(cluster) to erase (\(method)): "
                    + Self.list(planned),
            refused.isEmpty ? nil : "\(refused.count) refused: \(Self.list(refused))",
            unclear.isEmpty ? nil : "\(unclear.count) that nobody can tell of: \(unclear.joined(separator: ", "))",
        ]
        self.init(
            node,
            method,
            plan,
            complete: false,
            disks: disks,
            errors: errors,
            summary: parts.compactMap(\.self).joined(separator: "; ")
        )
    }

    /// What was done.
    ///
    /// - Parameters:
    ///   - node: The node.
    ///   - method: As ``method``.
    ///   - result: The answer of `teardown`.
    ///   - errors: What it said of errors.
    package init(node: String, method: String, result: JSONValue, errors: [String]) {
        let outcomes = (result["outcomes"]?.elements ?? []).compactMap { CleanupDisk($0) }
        let refused = (result["refused"]?.elements ?? []).compactMap { CleanupDisk($0) }
        let waiting = (result["waiting"]?.strings ?? []).map(CleanupDisk.init(waiting:))
        self.init(
            node,
            method,
            result,
            complete: result["complete"]?.bool ?? false,
            disks: outcomes + refused + waiting,
            errors: errors,
            summary: "cluster \(result["cluster"]?.string ?? "?"): \(result["summary"]?.string ?? "no answer")"
        )
    }

    private init(
        _ node: String,
        _ method: String,
        _ answer: JSONValue,
        complete: Bool,
        disks: [CleanupDisk] = [],
        errors: [String] = [],
        summary: String
    ) {
        self.node = node
        self.method = method
        self.complete = complete
        self.disks = disks
        self.errors = errors
        self.summary = summary
        cluster = answer["cluster"]?.string ?? ""
        otherClusters = answer["foreign"]?.strings ?? []
        unclear = Self.unclear(answer)
        directories = answer["directories"]?.strings ?? []
    }

    /// The disks that stay although they are the cluster's.
    package var left: [CleanupDisk] { disks.filter { !["clean", "planned"].contains($0.state) } }

    /// Why what is left is left, but for what the errors say.
    package var reasons: [String] {
        let untold = unclear.filter { text in !errors.contains { $0.contains(text) } }
        return left.map(\.whyItStays) + untold.map { "unclear: \($0)" }
    }

    /// For a person: the sentence, and why what is left is left.
    ///
    /// Errors stand on standard error.
    package var lines: [String] { ["\(node): \(summary)"] + reasons }

    private static func list(_ disks: [CleanupDisk]) -> String { disks.map(\.name).joined(separator: ", ") }

    private static func unclear(_ answer: JSONValue) -> [String] {
        (answer["left"]?.elements ?? []).filter { $0["unclear"]?.bool ?? false }.compactMap { $0["text"]?.string }
    }
}
