import TestSupport
import Testing

/// The services speak of a class and its parameters; who typed options is told of those.
///
/// The refusals are the services' own.
@Suite("Refusals of nacre volume create", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct CreateWordsTests {
    /// What is typed, and what is said of it.
    struct Case: Sendable, CustomTestStringConvertible {
        let line: String
        let says: [String]
        var testDescription: String { line }

        init(_ line: String, _ says: String...) {
            self.line = line
            self.says = says
        }
    }

    static let cases = [
        Case("--pool none", "no pool 'none'"),
        Case("--pool rbd --data-pool none", "no pool 'none', which --data-pool names"),
        Case("--pool ec", "a replicated pool by --pool, and this one by --data-pool"),
        Case("--pool rbd --features exotic", "--features 'exotic'"),
        Case("--pool rbd --object-size 5000", "--object-size 5000 is not a power of two"),
        Case("--pool rbd --stripe-unit 4Ki", "--stripe-unit is given without --stripe-count"),
        Case("--pool rbd --stripe-count 4", "--stripe-count is given without --stripe-unit"),
        Case("--pool rbd --stripe-unit 3000 --stripe-count 4", "--stripe-unit 3000 does not divide"),
        Case("--pool rbd --size 1Pi", "give --parameter poolSizeFactor=0 (no limit)"),
        Case("--pool rbd --size 64MiB --parameter mkfsOptions=-N100000000", "correct --parameter mkfsOptions"),
        Case(
            "--pool rbd --block --size 2Pi --object-size 4Ki --parameter poolSizeFactor=0",
            "larger --object-size, or --features without object-map"
        ),
        // Who typed parameters reads of them.
        Case("--pool rbd --parameter dataPool=none", "no pool 'none', which the parameter dataPool names"),
    ]

    @Test("They name the options that were typed")
    func words() async throws {
        // An erasure-coded pool answers when it has a place for each part.
        try await FaultyCluster.with(osds: 3) { faulty in
            let nacre = NacreCommand(try NacreProcess(faulty.cluster), cluster: faulty.cluster)
            try await faulty.ceph(
                "osd",
                "erasure-code-profile",
                "set",
                "small",
                "k=2",
                "m=1",
                "crush-failure-domain=osd"
            )
            try await faulty.ceph("osd", "pool", "create", "ec", "8", "8", "erasure", "small")
            for wrong in Self.cases {
                let typed = wrong.line.split(separator: " ").map(String.init)
                let answer = try await nacre(["volume", "create", "x", "--direct"] + typed)
                #expect(answer.status == 64, "\(wrong.line): \(answer)")
                for words in wrong.says { #expect(answer.notes.contains(words), "\(wrong.line): \(answer)") }
                let isTyped = wrong.line.contains("--parameter dataPool=")
                #expect(isTyped || !answer.notes.contains(" the parameter "), "\(wrong.line): \(answer)")
                #expect(!answer.notes.contains(" class"), "\(wrong.line): \(answer)")
            }
        }
    }
}
