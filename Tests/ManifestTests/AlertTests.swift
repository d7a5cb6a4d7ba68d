import Foundation
import JSON
import KubernetesAPI
import TestSupport
import Testing

/// The alerts of `deploy/monitoring`, by Prometheus' own rules, on metrics that a controller and an agent served on a real
/// Kubernetes and Ceph: `RightsTests` of KubernetesTests records them.
@Suite("Alerts", .enabled(if: Tool.promtool.path != nil, Tool.lack))
struct AlertTests {
    private static var recorded: URL { Manifests.root.appending(path: "Tests/ManifestTests/Recorded") }

    /// Series by name and labels, in the order of their labels.
    private struct Key: Hashable {
        let name: String
        let labels: [String: String]

        init(_ name: String, _ labels: [String: String]) { (self.name, self.labels) = (name, labels) }

        init(_ text: String) throws {
            let sample = try #require(Exposition("\(text) 0").samples.first)
            self.init(sample.name, sample.labels)
        }

        var text: String {
            let inner = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }
            return name + "{" + inner.joined(separator: ",") + "}"
        }
    }

    private func recording(_ job: String) throws -> Exposition {
        let file = Self.recorded.appending(path: "\(job == "nacre-node" ? "agent" : "controller").prom")
        return Exposition(try String(contentsOf: file, encoding: .utf8))
    }

    private func input(_ example: AlertCase) throws -> [[String: String]] {
        var all: [Key: String] = [:]
        for (job, pod, node) in [
            ("nacre-controller", "nacre-controller-0", "w1"), ("nacre-node", "nacre-node-0", "w2"),
        ]
        where !example.silent.contains(job) {
            for sample in try recording(job).samples {
                let labels = sample.labels.merging(["namespace": "nacre", "pod": pod, "job": job, "node": node]) { $1 }
                all[Key(sample.name, labels)] = "\(sample.value)x180"
            }
        }
        for (series, values) in AlertCase.well + example.series { all[try Key(series)] = values }
        return all.map { ["series": $0.key.text, "values": $0.value] }
    }

    private func write(_ value: Any, _ file: URL) throws {
        try JSONSerialization.data(withJSONObject: value).write(to: file)
    }

    /// Writes the rules without the operator's object around them.
    private func writeRules(_ file: URL) throws {
        let spec = try #require(try Manifests.objects("monitoring/rules.yaml").first?["spec"])
        try Data(spec.bytes).write(to: file)
    }

    @Test("Prometheus takes the rules")
    func rules() async throws {
        try await inDirectory { directory in
            let file = directory.appending(path: "rules.yaml")
            try writeRules(file)
            let (text, isWell) = try await Tool.promtool.run(["check", "rules", "--lint-fatal", file.path])
            #expect(isWell, "\(text)")
        }
    }

    @Test("Each fires when it should, and no other does", arguments: AlertCase.all)
    func fires(example: AlertCase) async throws {
        try await inDirectory { directory in
            try writeRules(directory.appending(path: "rules.yaml"))
            let test: [String: Any] = [
                "rule_files": ["rules.yaml"], "evaluation_interval": "1m",
                "tests": [
                    [
                        "name": example.description, "interval": "1m", "input_series": try input(example),
                        "promql_expr_test": [
                            [
                                "expr": #"count by (alertname) (ALERTS{alertstate="firing"})"#,
                                "eval_time": "\(example.minutes)m",
                                "exp_samples": example.fires.map { ["labels": "{alertname=\"\($0)\"}", "value": 1] },
                            ]
                        ],
                    ]
                ],
            ]
            let file = directory.appending(path: "test.yaml")
            try write(test, file)
            let (text, isWell) = try await Tool.promtool.run(["test", "rules", file.path])
            #expect(isWell, "\(text)")
        }
    }

    @Test("No alert is without a case in which it fires, and each has what it asks for where all is well")
    func complete() throws {
        let rules = try Manifests.objects("monitoring/rules.yaml").first?["spec", "groups"]?.elements.first?["rules"]
        let names = (rules?.elements ?? []).compactMap { $0["alert"]?.string }
        #expect(Set(names).subtracting(AlertCase.all.flatMap(\.fires)).isEmpty)
        let known = Set(try AlertCase.well.map { try Key($0.0).name })
            .union(try recording("nacre-controller").samples.map(\.name))
            .union(try recording("nacre-node").samples.map(\.name))
        for rule in rules?.elements ?? [] {
            let missing = MetricsTests.names(in: rule["expr"]?.string ?? "").subtracting(known)
            #expect(missing.isEmpty, "\(rule["alert"]?.string ?? ""): \(missing)")
        }
    }

    @Test("What the programs serve is as Prometheus wants it", arguments: ["controller", "agent"])
    func exposition(program: String) async throws {
        let file = Self.recorded.appending(path: "\(program).prom").path
        let (text, isWell) = try await Tool.promtool.run(["check", "metrics"], input: file)
        #expect(isWell && text.isEmpty, "\(text)")
    }

    @Test("What was recorded is what the manual says", arguments: ["controller", "agent"])
    func recordingIsOfToday(program: String) throws {
        let served = try recording(program == "agent" ? "nacre-node" : "nacre-controller")
        let table = try MetricsTable(page: Manifests.manual("Metrics").path)
        for sample in served.samples {
            let row = table.row(ofSeries: sample.name)
            #expect(row?.labels == Set(sample.labels.keys).subtracting(["le"]), "\(sample.name)")
            #expect(row?.of == "both" || row?.of == program, "\(sample.name)")
        }
    }
}
