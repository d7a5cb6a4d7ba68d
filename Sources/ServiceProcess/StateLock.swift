internal import ExactText
internal import Glibc
internal import LinuxKernel
internal import Synchronization
package import Volumes

/// That this process alone keeps volumes in a state directory; it does until it ends.
///
/// Two node services on one directory would each take the other's half-done work for remains, and clear it away. The lock
/// is of the process: image servers, their keepers and mkfs do not inherit it, so that an upgrade finds it free while
/// volumes stay mapped.
package struct StateLock: Sendable {
    /// The directory.
    package let directory: String

    /// Kept until the process ends.
    private static let held = Mutex<[FileLock]>([])

    private static let file = "service.lock"
    /// What the owner's line of a service begins with.
    private static let service = "nacre service, "

    /// Takes it for a service, and waits a while for one that is ending.
    ///
    /// - Parameters:
    ///   - directory: The state directory; it is made where it is missing.
    ///   - socket: Where the service will answer, for others to know it by.
    ///   - limit: How long to wait.
    ///   - didWait: Called once with the owner, when there is one to wait for.
    /// - Returns: The proof.
    /// - Throws: `VolumeError`: `.failedPrecondition` when another process keeps it.
    package static func forService(
        _ directory: String,
        socket: String,
        waiting limit: Duration = .seconds(15),
        didWait: (String) -> Void
    ) async throws(VolumeError) -> StateLock {
        let deadline = ContinuousClock.now + limit
        var isToldOf = false
        while true {
            guard let owner = try take(directory, for: "\(service)process \(getpid()), at '\(socket)'") else {
                return StateLock(directory: directory)
            }
            guard .now < deadline else {
                throw VolumeError(
                    .failedPrecondition,
                    "cannot keep volumes in state directory '\(directory)': another process does (\(owner)), and two would "
                        + "undo each other's work; stop that one, or give this one a --state-dir of its own"
                )
            }
            if !isToldOf {
                isToldOf = true
                didWait(owner)
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Takes it for one command, and waits for other commands, but for no service.
    ///
    /// - Parameters:
    ///   - directory: The state directory; it is made where it is missing.
    ///   - deadline: Until when to wait.
    /// - Returns: The proof.
    /// - Throws: `VolumeError`: `.failedPrecondition` when a service keeps it, `.aborted` when a command still does.
    package static func forCommand(
        _ directory: String,
        until deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> StateLock {
        // The line may still be of the process before.
        let settled = ContinuousClock.now + .seconds(1)
        while true {
            guard let owner = try take(directory, for: "nacre --direct, process \(getpid())") else {
                return StateLock(directory: directory)
            }
            if .now > settled, owner.startsExactly(with: service) {
                throw VolumeError(
                    .failedPrecondition,
                    "a node service keeps volumes in state directory '\(directory)' (\(owner)); let it do the work: leave "
                        + "out --direct, and name its socket by --socket"
                )
            }
            guard .now < deadline else {
                throw VolumeError(
                    .aborted,
                    "another command with --direct still works in state directory '\(directory)' (\(owner)); wait for its "
                        + "end, then repeat this one"
                )
            }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Takes it, or says who has it.
    private static func take(_ directory: String, for line: String) throws(VolumeError) -> String? {
        do throws(KernelError) {
            try KernelFile.makeDirectories(directory)
            let path = "\(directory)/\(file)"
            guard let lock = try FileLock.tryTake(path, for: line) else {
                return KernelFile.firstLine(path).flatMap { $0.isEmpty ? nil : $0 } ?? "it has not said who it is"
            }
            held.withLock { $0.append(lock) }
            return nil
        } catch {
            throw VolumeError(
                error.isNotAllowed ? .permissionDenied : .failedPrecondition,
                "cannot keep volumes in state directory '\(directory)': \(error); "
                    + (error.isNotAllowed ? "do this as root" : "name another one by --state-dir")
            )
        }
    }
}
