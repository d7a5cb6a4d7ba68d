import ArgumentParser
import CommandNames
import ExactText
import Glibc
import Secrets
import Volumes

/// The program `nacre`.
@main
struct Nacre: AsyncParsableCommand {
    static let version = CommandNames.version

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
        subcommands: [
            VolumeCommand.self, SnapshotCommand.self, BackupCommand.self, RecoverCommand.self, NodeCommand.self,
            ControllerCommand.self, ServeCommand.self,
            VersionCommand.self, ExitCodesCommand.self, ImageServerCommand.self, TrashRemoverCommand.self,
            PlaceGateCommand.self,
        ]
    )

    /// The prefix of messages, including ArgumentParser's.
    static let _errorPrefix = "nacre: "

    /// Runs the command and ends with a code of `ExitStatus`.
    static func main() async {
        let words = Array(CommandLine.arguments.dropFirst())
        if let fault = GivenKey.fault(in: words) ?? CommandNames.unreadable(in: words) {
            Terminal.say("\(_errorPrefix)\(fault)\n")
            end(.usage)
        }
        do {
            var command = try await asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            end(.done)
        } catch let error as VolumeError {
            Terminal.say("\(_errorPrefix)\(error.message)\n")
            end(ExitStatus(error.code))
        } catch let error as CommandFailure {
            Terminal.say("\(_errorPrefix)\(error.message)\n")
            end(error.status)
        } catch  where exitCode(for: error).isSuccess {
            // Help, version, completion script, and completions.
            var text = fullMessage(for: error)
            if words.contains(where: { $0.startsExactly(with: "--generate-completion-script") }) {
                text = "\(CompletionScript(text, of: Self.self))"
            }
            if !text.isEmpty { print(CephKey.masked(text)) }
            end(.done)
        } catch {
            if exitCode(for: error) == .validationFailure, let said = CommandNames.correction(of: words, in: Self.self)
            {
                Terminal.say("\(_errorPrefix)\(said)\n")
                end(.usage)
            }
            Terminal.say("\(fullMessage(for: error))\n")
            end(exitCode(for: error) == .validationFailure ? .usage : .failed)
        }
    }

    /// Ends the process at once.
    ///
    /// librados' threads keep running during exit(3); they would use destroyed static objects and crash.
    private static func end(_ status: ExitStatus) -> Never {
        fflush(nil)
        _exit(status.rawValue)
    }
}
