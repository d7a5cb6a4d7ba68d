import ArgumentParser
import ExactText
import Secrets
import Volumes

/// `nacre controller orphans remove`.
struct OrphansRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Move images that no claim and no PersistentVolume has to Ceph's trash.",
        discussion: """
            Shows the plan. The images must be named, or all that is planned by the hash that the plan has. Just before \
            the first goes, Kubernetes is asked once more; an image that an object names by then, or that anybody has open, \
            stays.

            EXAMPLES
              nacre controller orphans remove --pool replicapool --image csi-vol-5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10
              nacre controller orphans remove --pool replicapool --plan-hash 3f2a…
            """
    )

    @Option(help: "The pool that they are in.")
    var pool: String

    @Option(name: .customLong("image"), help: "An image's name; may be repeated.")
    var images: [String] = []

    @Option(help: "The hash of the plan, in place of the names of all that it has.")
    var planHash: String?

    @OptionGroup(title: "Kubernetes") var options: OrphansOptions
    @OptionGroup(title: "Connection") var connection: ConnectionOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    mutating func validate() throws {
        guard planHash == nil || images.isEmpty else {
            throw ValidationError("--image and --plan-hash exclude each other")
        }
    }

    func run() async throws {
        let credentials = try connection.credentials()
        let session = Session(try DirectServices.controller(connection), connection, output)
        let search = try OrphanSearch(options, session, pool: pool)
        let found = try await search.orphans()
        let plan = OrphanPlan(images.isEmpty ? found : found.filter { images.containsExactly($0.id.image) })
        if let stranger = images.first(where: { name in !found.contains { $0.id.image.isExactly(name) } }) {
            throw CommandFailure(
                .usage,
                "image '\(stranger)' of pool '\(pool)' is not there, or a claim or a PersistentVolume has it; "
                    + "nothing was done"
            )
        }
        guard !plan.images.isEmpty else { return try session.show(plan, lines: output.quiet ? [] : plan.lines) }
        for line in plan.lines { session.note(line) }
        guard !images.isEmpty || planHash == plan.planHash else {
            let reason = planHash == nil ? "name them by --image, or all" : "the plan is another one; agree to it"
            throw CommandFailure(.usage, "nothing was done: \(reason) by --plan-hash \(plan.planHash)")
        }
        try await remove(plan, search, credentials, session)
    }

    private func remove(
        _ plan: OrphanPlan,
        _ search: OrphanSearch,
        _ credentials: Credentials,
        _ session: Session
    ) async throws {
        let still = Set(try await search.orphans().map { "\($0.id)" })
        var removed: [String] = []
        var kept: [String] = []
        for image in plan.images {
            guard still.contains(image.volumeId) else {
                kept.append("\(image.volumeId): it is somebody's, or gone, by now")
                continue
            }
            do {
                try await session.during("removing '\(image.volumeId)'") {
                    try await session.backend.delete(image.volumeId, credentials: credentials, deadline: $0)
                }
                removed.append(image.volumeId)
            } catch let error as VolumeError {
                kept.append("\(image.volumeId): \(error.message)")
            }
        }
        try session.show(
            OrphanRemoval(removed: removed, kept: kept),
            lines: output.quiet ? removed : removed.map { "moved to the trash \($0)" }
        )
        if let first = kept.first {
            throw CommandFailure(.failed, "\(kept.count) of \(plan.images.count) images stayed: \(first)")
        }
    }
}

/// What was done.
struct OrphanRemoval: Encodable {
    let removed: [String]
    let kept: [String]
}
