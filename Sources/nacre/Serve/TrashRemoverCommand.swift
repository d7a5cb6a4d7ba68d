import ArgumentParser
import CephVolumes
import ServiceProcess

/// The process that removes images for a service; started by the service, not by hand.
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
