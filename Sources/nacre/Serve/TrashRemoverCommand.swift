import ArgumentParser
import CephVolumes

/// The process that empties the trash for a service; the service starts it, nobody types it.
struct TrashRemoverCommand: ParsableCommand {
    static let name = "trash-remover"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Remove images from the trash; started by the service.",
        shouldDisplay: false
    )

    func run() throws {
        RemovalProcessMain.run(observer: CrashPoint.observer)
    }
}
