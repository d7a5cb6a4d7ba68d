import JSON
import KubernetesAPI

/// Tells of a cleanup by Events of the pod that does it.
///
/// An object may have 25 Events at once, so there is one of the plan, some of the progress, one of all disks that are
/// clean, one of the end, and each disk that stays has its own as long as there are few.
struct CleanupEvents {
    private let recorder: EventRecorder?
    private let pod: ObjectReference?
    private let node: String

    private static let mostDisks = 4
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
        if let dropped = recorder?.dropped, dropped > 0 { Terminal.say("\(dropped) Events could not be sent\n") }
    }

    func tell(_ reason: String, _ message: String) { record(.normal, reason, message) }

    func warn(_ reason: String, _ message: String) { record(.warning, reason, message) }

    /// What would be done.
    func planned(_ report: CleanupReport) {
        tell("CleanupPlanned", report.summary)
        stays("DiskRefused", report.left)
    }

    /// What was done.
    func ended(_ report: CleanupReport, _ status: ExitStatus) {
        let clean = report.disks.filter { $0.state == "clean" }
        if !clean.isEmpty {
            tell("DisksErased", "erased and read back: \(clean.map(\.name).joined(separator: ", "))")
        }
        // The refused have an Event since the plan.
        stays("DiskNotErased", report.left.filter { $0.state != "refused" })
        if status == .done {
            tell("CleanupDone", report.summary)
        } else {
            warn("CleanupFailed", ([report.summary] + report.unclear + report.errors).joined(separator: "; "))
        }
    }

    private func stays(_ reason: String, _ disks: [CleanupDisk]) {
        for disk in disks.prefix(Self.mostDisks) {
            warn(reason, "\(disk.name) \(disk.state): \(disk.reasons.joined(separator: "; "))")
        }
        if disks.count > Self.mostDisks {
            warn(reason, "\(disks.count - Self.mostDisks) more disks: see the pod's log")
        }
    }

    private func record(_ kind: EventRecorder.Kind, _ reason: String, _ message: String) {
        guard let pod else { return }
        recorder?.record(kind, reason, "node \(node): \(message)", on: pod)
    }
}
