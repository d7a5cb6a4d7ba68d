import ArgumentParser
import CephVolumes
import Volumes

/// `nacre node unfence`.
struct NodeUnfence: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unfence",
        abstract: "Let a client in again that was fenced.",
        discussion: """
            Seldom needed: a node that has booted is another client. Do it only when the old client's processes are gone \
            and its devices are unmapped, for what it still has in memory would be written then. The user of --secret-dir \
            needs more than mon 'profile rbd', which may add to the blocklist but not remove: client.admin will do.

            EXAMPLES
              nacre node unfence 10.0.0.7:0/2893421
              nacre node unfence 10.0.0.7 --plan
            """
    )

    @Argument(help: "An address on the blocklist, or its host for all of it.", completion: Completion.fenced)
    var address: String

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup(title: "Connection") var ceph: CephOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    private struct Entry: Encodable {
        let clusterID: String
        let address: String
        let until: String
    }

    func run() async throws {
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let answers = try await session.during("reading the blocklist") { _ in await backend.store.blocklists() }
        let (blocked, missing) = Session.gathered(answers)
        let entries = blocked.filter { $0.address == address || VolumeHolder.host(of: $0.address) == address }
            .map { Entry(clusterID: $0.clusterID, address: $0.address, until: $0.until) }
        await session.noteConfigurationFaults()
        guard !entries.isEmpty else {
            if let missing { throw missing }
            try session.show(entries, lines: ["'\(address)' is on no blocklist"])
            return
        }
        let lines = entries.map { "client \($0.address), cluster \($0.clusterID), refused until \($0.until)" }
        if let missing { session.note("a cluster is left out: \(missing.message)") }
        guard !confirmation.plan else { return try session.show(entries, lines: lines) }
        try session.confirm(confirmation, "unfence '\(address)'", word: address, plan: lines)
        for entry in entries {
            try await session.changing("unfencing '\(entry.address)'", "see nacre node unfence --plan") { _ in
                try await backend.store.unfence(entry.address, ofCluster: entry.clusterID)
            }
        }
        try session.show(entries, lines: output.quiet ? [] : entries.map { "unfenced \($0.address)" })
        if let missing { throw missing }
    }
}
