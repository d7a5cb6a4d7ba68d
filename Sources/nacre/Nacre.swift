import ArgumentParser
import Glibc
import Volumes

/// The program `nacre`.
@main
struct Nacre: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "nacre",
        abstract: "Ceph block storage for Kubernetes and for one machine.",
        discussion: """
            EXAMPLES
              nacre volume create data --pool replicapool --size 10GiB
              nacre volume list
              nacre --generate-completion-script bash > /etc/bash_completion.d/nacre

            Exit codes: nacre exit-codes.
            """,
        version: version,
        subcommands: [VolumeCommand.self, ServeCommand.self, ExitCodesCommand.self, ImageServerCommand.self]
    )

    /// What messages start with, ArgumentParser's own too.
    static let _errorPrefix = "nacre: "

    /// Runs what was asked for and ends with a code of `ExitStatus`.
    static func main() async {
        do {
            var command = try await asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as VolumeError {
            end(CommandFailure(error))
        } catch let error as CommandFailure {
            end(error)
        } catch {
            exit(withError: error)
        }
    }

    private static func end(_ failure: CommandFailure) -> Never {
        Terminal.say("\(_errorPrefix)\(failure.message)\n")
        Glibc.exit(failure.status.rawValue)
    }
}
