import ArgumentParser
import CephVolumes
import ExactText
import Secrets
import Volumes

/// `nacre controller orphans remove`.
struct OrphansRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Move images that no claim and no PersistentVolume has to Ceph's trash.",
        discussion: """
            The images must be named, each; only such go that say they are of this Kubernetes. Just before the first goes, \
            Kubernetes is asked once more; an image that an object names by then, or that anybody has open, stays.

            EXAMPLES
              nacre controller orphans remove --pool replicapool --plan \\
                --image csi-vol-5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10
            """
    )

    @Option(help: "The pool that they are in.", completion: Completion.pools)
    var pool: String

    @Option(name: .customLong("image"), help: "An image's name; may be repeated.")
    var images: [String] = []

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup(title: "Kubernetes") var options: OrphansOptions
    @OptionGroup(title: "Connection") var ceph: CephOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        try await Interruption.beforeAnything("an image of pool '\(pool)' was removed") { try await work() }
    }

    private func work() async throws {
        let credentials = try ceph.credentials()
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let search = try OrphanSearch(options, session, backend, pool: pool)
        let found = try await all(search)
        guard !images.isEmpty else {
            for line in OrphanPlan(found).lines { session.note(line) }
            throw CommandFailure(.usage, "nothing was done: name the images by --image")
        }
        var chosen: [Orphan] = []
        for name in images {
            guard let orphan = found.first(where: { $0.volume.id.image.isExactly(name) }) else {
                throw CommandFailure(
                    .usage,
                    "image '\(name)' of pool '\(pool)' is not there, or a claim or a PersistentVolume has it; "
                        + "nothing was done"
                )
            }
            if let refusal = orphan.refusal { throw CommandFailure(.usage, "\(refusal); nothing was done") }
            chosen.append(orphan)
        }
        let plan = OrphanPlan(chosen)
        guard !confirmation.plan else { return try session.show(plan, lines: plan.lines) }
        try await session.confirm(
            confirmation,
            "move \(chosen.count == 1 ? "image '\(images[0])'" : "\(chosen.count) images of pool '\(pool)'") to the trash",
            word: chosen.count == 1 ? images[0] : pool,
            plan: plan.lines
        )
        try await remove(plan, search, credentials, session)
    }

    /// The orphans of the pool, if all of it could be looked at: an image that was not seen is not gone.
    private func all(_ search: OrphanSearch) async throws -> [Orphan] {
        let what = "not all images of pool '\(pool)' could be looked at, so nothing was done"
        if let lack = await search.backend.lackOfClusters() { throw lack }
        // The pool of a cluster whose entry is broken may have an image of that name too.
        let isUsable = search.backend.configuration.clusters.contains { $0.clusterID.isExactly(search.cluster ?? "") }
        if !isUsable, let fault = await search.backend.configurationFaults().first {
            throw CommandFailure(.tryAgain, "\(what): \(fault)")
        }
        let (found, missing) = try await search.orphans()
        if let missing { throw VolumeError(missing.code, "\(what): \(missing.message)") }
        if let refusal = await search.refusal() { throw CommandFailure(.notPermitted, "\(what): \(refusal)") }
        return found
    }

    private func remove(
        _ plan: OrphanPlan,
        _ search: OrphanSearch,
        _ credentials: Credentials,
        _ session: Session
    ) async throws {
        let still = Set(try await all(search).filter { $0.refusal == nil }.map { "\($0.volume.id)" })
        var removed: [String] = []
        var kept: [String] = []
        for image in plan.images {
            guard still.contains(image.volumeId) else {
                kept.append("\(image.volumeId): it is somebody's, or gone, by now")
                continue
            }
            do {
                try await session.changing("removing '\(image.volumeId)'", "see nacre controller orphans list") {
                    try await session.backend.delete(image.volumeId, credentials: credentials, deadline: $0)
                }
                removed.append(image.volumeId)
            } catch let error as VolumeError {
                kept.append("\(image.volumeId): \(error.message)")
            } catch let failure as CommandFailure {
                // Those that are gone are told all the same when the time is over.
                kept.append("\(image.volumeId): \(failure.message)")
            }
        }
        try session.show(
            OrphanRemoval(removed: removed, kept: kept),
            lines: output.quiet ? removed : removed.map { "moved to the trash \($0)" }
        )
        if let first = kept.first {
            // What was not answered in time goes on, in a service or until this process ends.
            throw CommandFailure(
                .failed,
                "\(kept.count) of \(plan.images.count) images stayed, or are on their way to the trash: \(first)"
            )
        }
    }
}

/// What was done.
struct OrphanRemoval: Encodable {
    let removed: [String]
    let kept: [String]
}
