import ExactText
import JSON
import KubernetesAPI

/// Tells of a cleanup by Events of the pod that does it.
///
/// An object may have 25 Events at once, of 1024 bytes each, so there are up to three of the plan, some of the progress, up to
/// three of all disks that are clean, one of the end, and each disk that stays has its own as long as there are few.
struct CleanupEvents {
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

    /// Events of the pod that POD_NAMESPACE, POD_NAME and POD_UID name; none where one of them is missing.
    init(_ client: KubernetesClient?, node: String) {
        self.node = node
        let metadata: JSONValue = [
            "namespace": .string(Environment.value("POD_NAMESPACE") ?? ""),
            "name": .string(Environment.value("POD_NAME") ?? ""), "uid": .string(Environment.value("POD_UID") ?? ""),
            "resourceVersion": "",
        ]
        guard let client, Environment.value("POD_NAMESPACE") != nil, let name = Environment.value("POD_NAME"),
            let known = ObjectMeta(["metadata": metadata])
        else {
            (recorder, pod) = (nil, nil)
            return
        }
        recorder = EventRecorder(client, component: "nacre-cleanup", instance: name)
        pod = ObjectReference(kind: "Pod", known)
    }

    /// Sends them, until ``end(_:)``.
    func run() async { await recorder?.run() }

    /// Waits until all are sent, or the API server has had its time.
    func end(_ sending: Task<Void, Never>) async {
        recorder?.finish()
        await withTaskGroup { group in
            group.addTask { await sending.value }
            group.addTask { try? await Task.sleep(for: Self.limit) }
            await group.next()
            sending.cancel()
            group.cancelAll()
        }
        if let dropped = recorder?.dropped, dropped > 0 {
            Terminal.say("\(dropped) \(dropped == 1 ? "Event" : "Events") could not be sent\n")
        }
    }

    func tell(_ reason: String, _ message: String) { record(.normal, reason, message) }

    func warn(_ reason: String, _ message: String) { record(.warning, reason, message) }

    /// What would be done.
    func planned(_ report: CleanupReport) {
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
    func ended(_ report: CleanupReport, _ status: ExitStatus, after plan: CleanupReport) {
        list("DisksErased", "erased and read back", report.disks.filter { $0.state == "clean" })
        // Those that the plan refused have their Event; who has claimed a disk is known only when it is to be claimed.
        stays("DiskNotErased", report.left.filter { disk in !plan.left.contains { $0.path == disk.path } })
        if status == .done {
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
