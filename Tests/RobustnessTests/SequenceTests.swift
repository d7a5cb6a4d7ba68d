import Foundation
import Testing

/// Random sequences on a real cluster and real nodes; see README.md.
@Suite("Sequences", .enabled(if: Lab.isThere, Comment(rawValue: Lab.lack)))
struct SequenceTests {
    @Test("No sequence of calls and faults loses an acknowledged write, has two writers, or leaves anything behind")
    func sequences() async throws {
        let lab = try Lab()
        let first =
            Lab.environment("NACRE_ROBUSTNESS_SEED").flatMap(UInt64.init) ?? UInt64.random(in: 0..<1_000_000_000)
        let count = Lab.environment("NACRE_ROBUSTNESS_SEQUENCES").flatMap(Int.init) ?? 1
        let crews = min(count, Lab.environment("NACRE_ROBUSTNESS_CREWS").flatMap(Int.init) ?? 4)
        let actions = Lab.environment("NACRE_ROBUSTNESS_ACTIONS").flatMap(Int.init) ?? Plan.longest
        print("➜ seeds \(first) to \(first + UInt64(count) - 1), \(crews) at a time")
        fflush(nil)
        let neighbour = try await Neighbour(lab)
        let begin = ContinuousClock.now
        let seeds = Seeds(first..<first + UInt64(count))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<crews {
                group.addTask { await Self.work(lab, neighbour, seeds, actions) }
            }
        }
        await neighbour.end()
        let (ended, acknowledged, failed) = await (seeds.ended, seeds.acknowledged, seeds.failed)
        let minutes = (ContinuousClock.now - begin) / .seconds(60)
        print(
            "➜ \(ended) of \(count) sequences ended, \(failed.count) failed, \(acknowledged) writes acknowledged; "
                + String(format: "%.1f a minute", Double(ended) / minutes)
        )
        for seed in failed { print("➜ again: \(Self.command(seed))") }
        #expect(ended == count, "a sequence that was not run proves nothing")
        #expect(acknowledged >= count / 2, "sequences without acknowledged writes prove little")
    }

    private static func work(_ lab: Lab, _ neighbour: Neighbour, _ seeds: Seeds, _ actions: Int) async {
        var crew: Crew?
        while let seed = await seeds.next() {
            do {
                let current = if let crew { crew } else { try await Crew(lab, neighbour) }
                crew = try await run(Plan(seed: seed, most: actions), current, seeds) ? current : nil
            } catch {
                Issue.record("the lab: \(error)")
            }
        }
        await crew?.end()
    }

    /// What runs one again.
    private static func command(_ seed: UInt64) -> String {
        let actions = Lab.environment("NACRE_ROBUSTNESS_ACTIONS").map { " --actions \($0)" } ?? ""
        return "tools/test robustness --seed \(seed) --sequences 1\(actions)"
    }

    /// Runs one, and says whether its crew may go on.
    private static func run(_ plan: Plan, _ crew: Crew, _ seeds: Seeds) async throws -> Bool {
        let seed = plan.seed
        let begin = ContinuousClock.now
        let run = SequenceRun(plan, crew)
        let violations = await run.run()
        let seconds = Int((ContinuousClock.now - begin) / .seconds(1))
        let acknowledged = await run.models.reduce(0) { $0 + $1.writes.count { $0.outcome == .acknowledged } }
        print(
            "sequence \(seed): \(plan.steps.count) steps, \(acknowledged) writes acknowledged, "
                + "\(violations.count) violations, \(seconds) s"
        )
        await seeds.end(seed, acknowledged, isGood: violations.isEmpty)
        // For whoever watches a long run through a pipe.
        fflush(nil)
        guard !violations.isEmpty else { return true }
        let story = await run.story.joined(separator: "\n")
        let hosts = crew.all.map(\.name).joined(separator: ", ")
        if let logs = Lab.environment("NACRE_ROBUSTNESS_LOGS") {
            let place = "\(logs)/robustness-\(seed)"
            try? FileManager.default.removeItem(atPath: place)
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            try "\(plan)\n\(hosts)\n\(story)\n".write(toFile: "\(place)/story", atomically: true, encoding: .utf8)
            for host in crew.all {
                try? FileManager.default.copyItem(atPath: "\(host.directory)/log", toPath: "\(place)/\(host.name).log")
            }
        }
        let list = violations.map { "  \($0)" }.joined(separator: "\n")
        Issue.record("sequence \(seed): \(command(seed))\n\(list)\n\(plan)\nhosts \(hosts)\n\(story)")
        await crew.end()
        return false
    }
}

/// Those that nobody has taken yet, and what came of the others.
private actor Seeds {
    private var left: Range<UInt64>
    /// How many sequences have come to their ends, good or bad.
    private(set) var ended = 0
    /// How many writes all of them had acknowledged.
    private(set) var acknowledged = 0
    /// Those that had a violation.
    private(set) var failed: [UInt64] = []

    init(_ all: Range<UInt64>) { left = all }

    func next() -> UInt64? { left.popFirst() }

    func end(_ seed: UInt64, _ acknowledged: Int, isGood: Bool) {
        ended += 1
        if !isGood { failed.append(seed) }
        self.acknowledged += acknowledged
    }
}
