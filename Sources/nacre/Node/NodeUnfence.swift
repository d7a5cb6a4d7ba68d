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
        try await Interruption.beforeAnything("'\(address)' was unfenced") { try await work() }
    }

    private func work() async throws {
        let backend = try DirectServices.controller(ceph)
        let session = Session(backend, ceph, output)
        let answers = try await session.during("reading the blocklist") { deadline in
            try await answered(by: deadline) { await backend.store.holders.blocklists() }
        }
        let (blocked, missing) = Session.gathered(answers)
        let entries = blocked.filter { $0.address == address || VolumeHolder.host(of: $0.address) == address }
            .map { Entry(clusterID: $0.clusterID, address: $0.address, until: $0.until) }
        await session.noteConfigurationFaults()
        guard !entries.isEmpty else {
            if let missing { throw missing }
            if let lack = await backend.lackOfClusters() { throw lack }
            if let fault = backend.configuration.shortcomings.first {
                throw CommandFailure(.tryAgain, "cannot tell whether '\(address)' is on a blocklist: \(fault)")
            }
            try session.show(entries, lines: ["'\(address)' is on no blocklist"])
            return
        }
        let lines = entries.map { "client \($0.address), cluster \($0.clusterID), refused until \($0.until)" }
        if let missing { session.note("a cluster is left out: \(missing.message)") }
        guard !confirmation.plan else { return try session.show(entries, lines: lines) }
        try await session.confirm(confirmation, "unfence '\(address)'", word: address, plan: lines)
        var done: [Entry] = []
        do {
            for entry in entries {
                let title = "unfencing '\(entry.address)'"
                try await session.changing(title, "see nacre node unfence --plan") { deadline in
                    try await answered(by: deadline) {
                        try await backend.store.holders.unfence(entry.address, ofCluster: entry.clusterID)
                    }
                }
                done.append(entry)
            }
        } catch {
            if !done.isEmpty { try show(done, session) }
            let rest = entries.dropFirst(done.count).map(\.address).joined(separator: ", ")
            session.warn("not unfenced, or not heard of: \(rest); the same command again goes on with them")
            throw error
        }
        try show(done, session)
        if let missing { throw missing }
    }

    private func show(_ done: [Entry], _ session: Session) throws {
        try session.show(done, lines: output.quiet ? [] : done.map { "unfenced \($0.address)" })
    }
}
