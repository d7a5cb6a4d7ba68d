import ArgumentParser
internal import ImageServing
import NodeMapping

/// The server process of a mapped image; started by the mapper, not by hand.
struct ImageServerCommand: ParsableCommand {
    static let name = "image-server"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Serve one image's I/O; started by the fuse mapper.",
        shouldDisplay: false
    )

    func run() throws {
        ImageServerProcess.main(readingConfigurationFrom: 0)
    }
}
