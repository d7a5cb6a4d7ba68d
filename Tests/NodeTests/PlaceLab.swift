import LinuxKernel
import PlaceGate
import TestSupport
import Testing

@testable import NodeAgent

/// A place for kubelet with the gate before it, and a tmpfs for a "volume" that is staged for it.
final class PlaceLab: Sendable {
    let directory: String
    let place: DirectoryPlace
    let staging: String

    private init() async throws {
        directory = "/tmp/nacre-place-\(UInt32.random(in: 0...UInt32.max))"
        place = DirectoryPlace(root: "\(directory)/places", gate: "\(directory)/gate", name: "pvc-1")
        staging = "\(directory)/plugins\(place.seenPath)"
        try KernelFile.makeDirectories(staging)
        try KernelFile.makeDirectories(place.root)
        try await shell("mount -t tmpfs volume \(staging) && touch \(staging)/volume")
    }

    /// Makes one for `body`, and removes all that is left then.
    static func run(_ body: (PlaceLab) async throws -> Void) async throws {
        let lab = try await PlaceLab()
        do {
            try await body(lab)
        } catch {
            Issue.record("\(error)")
        }
        try await shell(
            "awk '{print $5}' /proc/self/mountinfo | grep '^\(lab.directory)' | tac | xargs -rn1 umount -l; "
                + "rm -rf --one-file-system \(lab.directory)"
        )
    }

    /// The gate with this command.
    func gate(_ command: [String] = [NacreProcess.program, PlaceGate.word]) -> GateProcess {
        GateProcess(path: place.gate, places: place.root, command: command)
    }

    func show() throws -> Bool { try place.show(staging) { _ in } }

    func withdraw(unless isUsed: Bool = false) throws -> Bool {
        try place.withdraw(unless: { _ in isUsed }) { _ in }
    }

    /// Runs what may wait in the kernel on a thread of its own: Swift's are few.
    func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) -> Task<Value, Never> {
        Task.detached {
            await withCheckedContinuation { continuation in startThread { continuation.resume(returning: body()) } }
        }
    }
}
