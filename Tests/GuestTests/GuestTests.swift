import NodeTestSupport
import Testing

/// Tests of several nodes, each a guest with its own kernel and address.
@Suite("Several nodes", .serialized, .enabled(if: Guest.isAvailable, Guest.lack))
struct GuestTests {}

extension GuestTests {
    @Test("are apart: each its own name, and one that is frozen or killed does not stop the other")
    func apart() async throws {
        try await Guest.with("east", "west") { guests in
            #expect(try await guests[0].shell("hostname") == "east\n")
            try await guests[0].freeze()
            #expect(try await guests[1].shell("hostname") == "west\n")
            try await guests[0].thaw()
            #expect(try await guests[0].shell("cat /proc/sys/kernel/hostname") == "east\n")
            try await guests[0].kill()
            #expect(try await guests[1].shell("echo $NACRE_GUEST") == "west\n")
        }
    }
}
