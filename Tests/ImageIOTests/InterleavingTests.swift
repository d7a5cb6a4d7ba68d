import Glibc
import Testing

@testable import ImageIO

/// The engine and the memory that servers share, in every order of their steps, with a kill before each.
///
/// After each kill, with each choice of what the cluster had got of what was under way: no acknowledged write is lost, none
/// is torn, none comes back over a later one; what had not been answered and is sent again is answered once. The same for the
/// successor's own death.
///
/// Without a kill: every request is answered once, a read and a flush see what was acknowledged before, calls on the same
/// bytes are under way at once only for requests whose callers did not wait for each other, no buffer changes under a call,
/// and nothing is left in the table.
@Suite("Interleavings", .serialized)
struct InterleavingTests {
    typealias Scenario = EngineWorld.Scenario

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let scenario: @Sendable () -> Scenario
    }

    /// In all runs, the first four of them.
    static let cases = [
        Case(testDescription: "two writes to the same place") {
            Scenario(fronts: [[write(1, 0..<16), write(2, 0..<16)]])
        },
        Case(testDescription: "a write, a flush") {
            Scenario(fronts: [[write(1, 0..<16), ask(2, .flush, 0..<0)]])
        },
        Case(testDescription: "a write, a durable write over it") {
            Scenario(fronts: [[write(1, 0..<32), ask(2, .durableWrite, 16..<48)]])
        },
        Case(testDescription: "a write and a read of a part of it") {
            Scenario(fronts: [[write(1, 0..<16), ask(2, .read, 8..<24)]])
        },
        Case(testDescription: "overlapping writes of two threads") {
            Scenario(fronts: [[write(1, 0..<32)], [write(2, 16..<48)]])
        },
        Case(testDescription: "two writes, ended by two threads in either order") {
            Scenario(fronts: [[write(1, 0..<16), write(2, 16..<32)]], clusterThreads: 2)
        },
        Case(testDescription: "a postponed write takes in a later one") {
            Scenario(before: [write(1, 0..<16), write(2, 16..<32)], fronts: [[write(3, 16..<32)]], writesAtOnce: 1)
        },
    ]

    static let joined = [
        Case(testDescription: "postponed neighbours are sent as one") {
            Scenario(before: [write(1, 0..<16), write(2, 16..<32)], fronts: [[write(3, 32..<48)]], writesAtOnce: 1)
        }
    ]

    private static func write(_ number: Int, _ range: Range<Int>) -> (Int, RequestHistory.Request) {
        ask(number, .write, range)
    }

    private static func ask(
        _ number: Int,
        _ kind: RequestHistory.Kind,
        _ range: Range<Int>
    ) -> (Int, RequestHistory.Request) {
        (number, RequestHistory.Request(kind: kind, range: range))
    }

    @Test("No order of steps and no kill loses, tears or repeats a write", arguments: cases.prefix(4))
    func everyOrder(_ each: Case) throws { try explore(each) }

    @Test(
        "Nor with two threads, nor where writes are postponed or joined",
        .enabled(if: getenv("NACRE_EVERY_ORDER") != nil, "takes minutes: tools/test races runs it"),
        arguments: cases.dropFirst(4) + joined
    )
    func everyOrderOfMany(_ each: Case) throws { try explore(each) }

    private func explore(_ each: Case) throws {
        let (explorer, crashes) = (Explorer(), Crashes())
        let scenario = each.scenario()
        try explorer.explore { try EngineWorld(scenario, explorer, crashes) }
        let interleavings = String(explorer.interleavings)
        print(
            "\(each.testDescription): \(interleavings) interleavings of up to \(explorer.longest) steps, "
                + "\(explorer.states) states, \(crashes.count) kills, in \(explorer.executions) executions"
        )
        fflush(nil)
        #expect(explorer.failure == nil)
        #expect(explorer.states > 100 && crashes.count > 10)
    }

    @Test("A mistake is found", arguments: Mistake.allCases)
    func mistakes(_ mistake: Mistake) throws {
        let (explorer, crashes) = (Explorer(), Crashes(mistake))
        let scenario = Self.cases[mistake.caseNumber].scenario()
        try explorer.explore { try EngineWorld(scenario, explorer, crashes, mistake) }
        print("\(mistake): \(explorer.failure ?? "not found"), in \(explorer.executions) executions")
        fflush(nil)
        #expect(explorer.failure?.contains(mistake.finding) == true)
    }
}
