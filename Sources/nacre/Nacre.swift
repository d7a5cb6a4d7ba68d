import ArgumentParser

/// The program `nacre`.
@main
struct Nacre: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "nacre",
        abstract: "Ceph block storage for Kubernetes and for one machine.",
        version: version,
        subcommands: [ServeCommand.self, ImageServerCommand.self]
    )
}
