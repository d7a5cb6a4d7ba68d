import ArgumentParser
import Glibc
import LinuxKernel
import PlaceGate

/// The process behind the paths of volumes for kubelet; started by the node's agent, not by hand.
struct PlaceGateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: PlaceGate.word,
        abstract: "Let kubelet wait for volumes; started by the node's agent.",
        shouldDisplay: false
    )

    @Argument(help: "Where kubelet looks.")
    var path: String

    @Argument(help: "Where the volumes are mounted.")
    var places: String

    func run() throws {
        // Where its parent has gone, the answer goes nowhere.
        signal(SIGPIPE, SIG_IGN)
        try? ProcessControl.forbidDumps()
        // It must outlive the agent's unit or pod, and what hinders that hinders its start too.
        _ = Cgroups.moveToRoot(getpid())
        try? ProcessControl.setOutOfMemoryScore(-1000)
        do throws(KernelError) {
            // An agent that looks has it for a moment.
            var lock: FileLock?
            try Waiting.wait(.seconds(5), "flock", PlaceGate.lock(path)) { () throws(KernelError) in
                lock = try FileLock.tryTake(PlaceGate.lock(path), for: "\(PlaceGate.owner)\(getpid())")
                return lock != nil
            }
            try PlaceGate(to: places).serve(at: path) {
                _ = try? OwnedDescriptor(adopting: dup(1), subject: "pipe").writeAll(Array("\(PlaceGate.ready)\n".utf8))
                for output in [CInt(1), 2] { dup2(0, output) }
            }
            withExtendedLifetime(lock) {}
        } catch {
            throw CommandFailure(.failed, "cannot let kubelet wait for volumes at '\(path)': \(error)")
        }
    }
}
