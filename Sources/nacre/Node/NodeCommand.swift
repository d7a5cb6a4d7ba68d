import ArgumentParser

/// `nacre node`: what is done on a node of Kubernetes.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "The agent of a Kubernetes node.",
        subcommands: [NodeRunCommand.self],
        defaultSubcommand: NodeRunCommand.self
    )
}
