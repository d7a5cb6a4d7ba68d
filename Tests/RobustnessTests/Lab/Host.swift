import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing
import VolumeAPI
import VolumeClient

/// A machine with `nacre serve`: processes, mounts, network and boot of its own.
final class Host: Sendable {
    let lab: Lab
    /// Its name, and that of its directory.
    let name: String
    let directory: String
    let client: VolumeClient
    let number: Int
    /// How often its service was replaced by another program.
    let upgrades = Atomic<Int>(0)
    private let isNode: Bool

    /// Makes a node or, without the node service, a controller; its network address has the number, which is its alone.
    init(_ lab: Lab, _ name: String, number: Int, isNode: Bool) throws {
        self.lab = lab
        self.name = name
        self.number = number
        self.isNode = isNode
        directory = "\(lab.directory)/\(name)"
        client = VolumeClient(socketPath: "\(directory)/nacre.sock", pool: lab.pool)
        for part in ["state", "staging", "pods", "clock"] {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/\(part)",
                withIntermediateDirectories: true
            )
        }
        try install(0, Self.settings)
        try setClock(offBy: 0)
    }

    private static let holders = Holders()

    /// Boots it.
    func boot() async throws {
        var words = [
            Lab.nodeProgram, directory, "\(number)", "serve", "--socket", "\(directory)/nacre.sock",
            "--config", lab.cluster.configurationPath, "--state-dir", "\(directory)/state",
        ]
        words += isNode ? ["--node-id", name, "--mounter", "fuse"] : ["--secret-dir", lab.cluster.provisionerSecret]
        let process = try ChildProcess("/bin/bash", words, log: "\(directory)/boot.log")
        await Self.holders.keep(process, for: directory)
        try await eventually("\(name) has booted") { initProcess != nil }
        try await answers()
    }

    /// Waits until its service answers.
    func answers() async throws {
        try await eventually("\(name)'s service answers") {
            (try? await client.call(CSI.Identity.Probe.self, .init(), timeout: .seconds(2))) != nil
        }
    }

    /// Pulls its plug.
    ///
    /// Loop devices belong to the one kernel that all nodes share; they are taken from it. Each is let go once, and only while it is the same use of its number, which is another node's as soon as it is free.
    func unplug() async throws {
        guard let pid = initProcess else { return }
        let files = try await inside("cd /sys/block && grep -lF '\(directory)/' loop*/loop/backing_file").output
        let loops = files.split(separator: "\n").compactMap { $0.split(separator: "/").first.map(String.init) }
            .filter { $0.hasPrefix("loop") }
        let uses = loops.map(Self.use)
        Glibc.kill(pid, SIGKILL)
        if let process = await Self.holders.take(directory) { _ = try? await process.end() }
        unlink("\(directory)/init")
        for (loop, use) in zip(loops, uses) where use != nil && Self.use(loop) == use {
            _ = try await Lab.run(["losetup", "-d", "/dev/\(loop)"])
        }
    }

    /// A number that a loop device has anew with each file that it is attached to.
    private static func use(_ loop: String) -> String? {
        try? String(contentsOfFile: "/sys/block/\(loop)/diskseq", encoding: .utf8)
    }

    /// Its process 1, by the number that it has here; nothing while it is off.
    var initProcess: pid_t? {
        guard let text = try? String(contentsOfFile: "\(directory)/init", encoding: .utf8) else { return nil }
        return pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// Runs a shell line on it.
    func inside(_ line: String, seconds: Int = 60) async throws -> (isOK: Bool, output: String) {
        guard let pid = initProcess else { return (false, "\(name) is off") }
        return try await Lab.run(
            ["nsenter", "--target", "\(pid)", "--mount", "--pid", "--net", "/bin/sh", "-c", line],
            seconds: seconds
        )
    }

    /// Cuts it off, or plugs it in again.
    func cable(isIn: Bool) async throws {
        _ = try await Lab.run(["ip", "link", "set", "v\(number)", isIn ? "up" : "down"])
    }
}

/// What keeps the nodes' processes, which end with the last reference to them.
private actor Holders {
    private var processes: [String: ChildProcess] = [:]

    func keep(_ process: ChildProcess, for directory: String) { processes[directory] = process }
    func take(_ directory: String) -> ChildProcess? { processes.removeValue(forKey: directory) }
}
