internal import ArgumentParser
internal import CommandNames
internal import ExactText
internal import LinuxKernel
internal import Secrets

/// The program: inspects, plans, erases and prepares disks of Ceph hosts.
@main
struct NacreDisk: ParsableCommand {
    static let _errorPrefix = "nacre-disk: "

    static let configuration = CommandConfiguration(
        commandName: "nacre-disk",
        abstract: "Inspect, zap and prepare the disks of Ceph hosts; never the wrong one by accident.",
        discussion: """
            Nothing is erased without a plan, a proof of identity and an exclusive claim, and everything that was \
            erased is read back. It needs neither Ceph nor lvm2, dmsetup, sgdisk or udevadm.

            What takes something away shows what it would do and wants the disk's serial number typed; a script gives \
            it with --serial. --plan shows the same and stops.

            Exit codes:
            \(ExitStatus.table)
            """,
        version: CommandNames.version,
        subcommands: [
            ListCommand.self, InspectCommand.self, CheckCommand.self, PlanCommand.self, ZapCommand.self,
            PrepareCommand.self, ReplaceCommand.self, TeardownCommand.self, GPTCommand.self, MapperCommand.self,
            CoverageCommand.self,
            VersionCommand.self, ExitCodesCommand.self,
        ]
    )

    /// Runs the command; for a mistyped command, suggests the probable one.
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        if let fault = GivenKey.fault(in: words) ?? CommandNames.unreadable(in: words) {
            Console.error(fault)
            exit(withError: ExitCode.validationFailure)
        }
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let error as KernelError {
            Console.error("cannot go on with \(error)")
            exit(withError: error.exitCode)
        } catch {
            if words.contains(where: { $0.startsExactly(with: "--generate-completion-script") }),
                exitCode(for: error).isSuccess
            {
                Console.result("\(CompletionScript(fullMessage(for: error), of: Self.self))")
                return
            }
            if exitCode(for: error) == .validationFailure, let said = CommandNames.correction(of: words, in: Self.self)
            {
                Console.error(said)
                exit(withError: ExitCode.validationFailure)
            }
            exit(withError: error)
        }
    }
}
