import ExactText
import JSON
package import KubernetesAPI

/// Tells of a cleanup by Events of the pod that does it.
///
/// An object may have 25 Events at once, of 1024 bytes each, so there are up to three of the plan, some of the progress, up to
/// three of all disks that are clean, one of the end, and each disk that stays has its own as long as there are few.
package struct CleanupEvents: Sendable {
    private let recorder: EventRecorder?
    private let pod: ObjectReference?
    private let node: String

    private static let mostDisks = 4
    /// Events of one list of disks.
    private static let mostParts = 3
    /// The API server takes 1024 bytes.
    private static let longestMessage = 1000
    /// An API server that is away keeps no node from being cleaned, and no pod from ending.
    private static let limit = Duration.seconds(20)

    /// Events of this pod; none without one, or without a client.
    package init(_ client: KubernetesClient?, of pod: ObjectMeta?, node: String) {
        self.node = node
        guard let client, let pod else {
            (recorder, self.pod) = (nil, nil)
            return
        }
        recorder = EventRecorder(client, component: "nacre-cleanup", instance: pod.name)
        self.pod = ObjectReference(kind: "Pod", pod)
    }

    /// Sends them, until ``end(_:)``.
    package func run() async { await recorder?.run() }

    /// Waits until all are sent, or the API server has had its time.
    ///
    /// - Returns: How many could not be sent.
    package func end(_ sending: Task<Void, Never>) async -> Int {
        recorder?.finish()
        await withTaskGroup { group in
            group.addTask { await sending.value }
            group.addTask { try? await Task.sleep(for: Self.limit) }
            await group.next()
            sending.cancel()
            group.cancelAll()
        }
        return recorder?.dropped ?? 0
    }

    package func tell(_ reason: String, _ message: String) { record(.normal, reason, message) }

    package func warn(_ reason: String, _ message: String) { record(.warning, reason, message) }

    /// What would be done.
    package func planned(_ report: CleanupReport) {
        let planned = report.disks.filter { $0.state == "planned" }
        if fits(report.summary) || planned.isEmpty {
            tell("CleanupPlanned", report.summary)
        } else {
            let others = [(report.left.count, "refused"), (report.unclear.count, "that nobody can tell of")]
            let words = others.filter { $0.0 > 0 }.map { ", \($0.0) \($0.1)" }.joined()
            let method = report.method
            list("CleanupPlanned", "of the cluster \(report.cluster) to erase (\(method))\(words)", planned)
        }
        stays("DiskRefused", report.left)
    }

    /// What was done.
    package func ended(_ report: CleanupReport, isDone: Bool, after plan: CleanupReport) {
        list("DisksErased", "erased and read back", report.disks.filter { $0.state == "clean" })
        // Those that the plan refused have their Event; who has claimed a disk is known only when it is to be claimed.
        stays("DiskNotErased", report.left.filter { disk in !plan.left.contains { $0.path == disk.path } })
        if isDone {
            tell("CleanupDone", report.summary)
        } else {
            warn("CleanupFailed", ([report.summary] + report.reasons + report.errors).joined(separator: "; "))
        }
    }

    private func stays(_ reason: String, _ disks: [CleanupDisk]) {
        for disk in disks.prefix(Self.mostDisks) { warn(reason, disk.whyItStays) }
        if disks.count > Self.mostDisks {
            warn(reason, "\(disks.count - Self.mostDisks) more disks: see the pod's log")
        }
    }

    /// Tells of many disks by several Events; of those that have no room, how many there are.
    private func list(_ reason: String, _ what: String, _ disks: [CleanupDisk]) {
        guard !disks.isEmpty else { return }
        let head = "\(disks.count == 1 ? "1 disk" : "\(disks.count) disks") \(what): "
        let log = "more, see the pod's log for all of them"
        var parts = [head]
        for (index, disk) in disks.enumerated() {
            let word = parts[parts.count - 1].isExactly(head) ? disk.name : ", \(disk.name)"
            if fits(parts[parts.count - 1] + word + " and \(disks.count) \(log)") {
                parts[parts.count - 1] += word
            } else if parts.count < Self.mostParts {
                parts.append(head + disk.name)
            } else {
                parts[parts.count - 1] += " and \(disks.count - index) \(log)"
                break
            }
        }
        for part in parts { tell(reason, part) }
    }

    /// Whether an Event has room for it.
    private func fits(_ message: String) -> Bool { "node \(node): \(message)".utf8.count <= Self.longestMessage }

    private func record(_ kind: EventRecorder.Kind, _ reason: String, _ message: String) {
        guard let pod else { return }
        let hint = "… see the pod's log for the rest"
        var text = "node \(node): \(message)"
        if !fits(message) {
            while text.utf8.count + hint.utf8.count > Self.longestMessage { text.removeLast() }
            text += hint
        }
        recorder?.record(kind, reason, text, on: pod)
    }
}
