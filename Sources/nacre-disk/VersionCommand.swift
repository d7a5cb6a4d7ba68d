internal import ArgumentParser
internal import CommandNames

/// `nacre-disk version`, as `nacre version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Say which version this is.")

    func run() { Console.result("nacre-disk \(CommandNames.version)") }
}
