import Glibc
import Subprocess
import SystemPackage
import Testing

/// A node that is a guest of tools/kernel-lab, controlled from outside: `up`, then commands in it, then faults.
struct Guest {
    let name: String

    /// Whether this process is in a world of tools/kernel-lab, but not in a guest.
    static var isAvailable: Bool { getenv("NACRE_LAB_DIR") != nil && getenv("NACRE_GUEST") == nil }
    static let lack: Comment = "needs a world of tools/kernel-lab: run tools/test kernel"

    /// Boots guests of these host names, gives them to `body`, then ends them; flags are those of `kernel-lab up`.
    static func with(_ names: String..., flags: [String] = [], body: ([Guest]) async throws -> Void) async throws {
        try await lab(["up", "--quiet", "--memory", "768M"] + flags + names)
        do {
            try await body(names.map(Guest.init))
        } catch {
            try await lab(["down"] + names)
            throw error
        }
        try await lab(["down"] + names)
    }

    /// Runs a shell line in the guest and returns what it printed; a failure is an issue of the test.
    @discardableResult
    func shell(_ line: String, seconds: Int = 120) async throws -> String {
        try await Self.lab(["exec", name, "--", "/bin/sh", "-c", "exec 2>&1; " + line], seconds: seconds)
    }

    /// Stops it where it is.
    func freeze() async throws { try await Self.lab(["freeze", name]) }
    /// Lets it go on.
    func thaw() async throws { try await Self.lab(["thaw", name]) }
    /// Pulls its plug.
    func kill() async throws { try await Self.lab(["kill", name]) }

    /// Runs tools/kernel-lab.
    @discardableResult
    static func lab(_ words: [String], seconds: Int = 120) async throws -> String {
        try await run([tool("kernel-lab")] + words, seconds: seconds)
    }

    /// Runs a shell line on the host, in the world's network.
    @discardableResult
    static func host(_ line: String, seconds: Int = 120) async throws -> String {
        try await run(["/bin/sh", "-c", "exec 2>&1; " + line], seconds: seconds)
    }

    /// A program of tools/.
    static func tool(_ name: String) -> String {
        String(#filePath.dropLast("Tests/GuestTests/Guest.swift".count)) + "tools/" + name
    }

    private static func run(_ words: [String], seconds: Int) async throws -> String {
        let result = try await Subprocess.run(
            .path("/usr/bin/timeout"),
            arguments: Arguments(["\(seconds)"] + words),
            output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20)
        )
        #expect(
            result.terminationStatus.isSuccess,
            "\(words.joined(separator: " ")): \(result.standardOutput)\(result.standardError)"
        )
        return result.standardOutput
    }
}
