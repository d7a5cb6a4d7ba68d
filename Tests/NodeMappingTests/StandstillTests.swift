import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

@Suite("Servers that do not move")
struct StandstillTests {
    @Test(
        "A stopped server is replaced only where nothing is lost with it",
        arguments: [
            ("R", false, ServerFrontKind.fuse, true, nil), ("S", false, .fuse, true, nil),
            ("D", false, .fuse, true, nil),
            ("T", false, .fuse, true, .stopped), ("T", false, .fuse, false, .irreplaceable),
            ("T", false, .nbd(connections: 1), false, .stopped), ("T", true, .fuse, true, .traced),
            ("t", true, .nbd(connections: 1), true, .traced),
        ] as [(Character, Bool, ServerFrontKind, Bool, Standstill?)]
    )
    func verdict(state: Character, isTraced: Bool, front: ServerFrontKind, canResend: Bool, wanted: Standstill?) {
        #expect(Standstill(state, isTraced: isTraced, front, canResend: canResend) == wanted)
    }
}
