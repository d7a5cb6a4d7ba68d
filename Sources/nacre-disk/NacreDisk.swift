internal import ArgumentParser
internal import CommandNames
internal import Secrets
internal import LinuxKernel

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

            Exit status: 0 done or already so, 1 failed or something is left, 64 wrong usage, 66 no such device, \
            69 the kernel has no device mapper, 77 refused (nothing was written), 130 interrupted.
            """,
        version: CommandNames.version,
        subcommands: [
            ListCommand.self, InspectCommand.self, CheckCommand.self, PlanCommand.self, ZapCommand.self,
            PrepareCommand.self, TeardownCommand.self, GPTCommand.self, MapperCommand.self, CoverageCommand.self,
        ]
    )

    /// Runs the command; for a mistyped command, suggests the probable one.
    static func main() {
        if let fault = GivenKey.fault(in: Array(CommandLine.arguments.dropFirst())) {
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
            let words = Array(CommandLine.arguments.dropFirst())
            if exitCode(for: error) == .validationFailure, let said = CommandNames.correction(of: words, in: Self.self)
            {
                Console.error(said)
                exit(withError: ExitCode.validationFailure)
            }
            exit(withError: error)
        }
    }
}
