import ArgumentParser
import CommandNames
import Controller
import Foundation
import JSON
import KubernetesAPI
import Logging
import ServiceProcess
import TestSupport
import Testing
import VolumeServer

@testable import nacre

/// Checks that the table lists the programs' metrics, and that alerts and dashboard use no others.
///
/// What a whole run serves,
/// with the labels of each series, is compared with the table by `RightsTests` of KubernetesTests.
@Suite("Metrics in deploy/")
struct MetricsTests {
    /// Labels that Prometheus and its operator add, and those of histograms.
    private static let added: Set<String> = ["namespace", "pod", "node", "job", "instance", "le"]
    /// Metrics of other programs that rules and panels use.
    private static let others: Set<String> = [
        "kube_daemonset_status_number_unavailable", "kube_persistentvolumeclaim_info", "kube_storageclass_info",
        "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
        "kubelet_volume_stats_used_bytes",
    ]

    /// All queries, with their alert or panel.
    static func queries() throws -> [(of: String, query: String, legend: String?)] {
        let rules = try Manifests.objects("monitoring/rules.yaml").first?["spec", "groups"]?.elements ?? []
        let alerts = rules.flatMap { $0["rules"]?.elements ?? [] }.map { rule in
            (of: rule["alert"]?.string ?? "?", query: rule["expr"]?.string ?? "", legend: String?.none)
        }
        let dashboard = try JSONValue(parsing: Array(try Manifests.text("monitoring/dashboard.json").utf8))
        let panels = (dashboard["panels"]?.elements ?? []).flatMap { panel in
            (panel["targets"]?.elements ?? []).map { target in
                (
                    of: panel["title"]?.string ?? "?", query: target["expr"]?.string ?? "",
                    legend: target["legendFormat"]?.string
                )
            }
        }
        return alerts + panels
    }

    /// The metrics in a query.
    static func names(in query: String) -> Set<String> {
        let bare = query.replacing(/"[^"]*"/, with: "").replacing(/(by|on|group_left) *\([^)]*\)/, with: "")
        return Set(
            bare.matches(of: /\b(nacre|controller|process|kube|kubelet)_[a-z_]+/).map { String($0.output.0) }
        )
    }

    @Test("Alerts and panels ask for what there is, by labels that it has")
    func queries() throws {
        let table = try MetricsTable(page: Manifests.manual("Metrics").path)
        let queries = try Self.queries()
        #expect(queries.count > 30)
        for (of, query, legend) in queries {
            let names = Self.names(in: query)
            #expect(!names.isEmpty, "\(of) asks for nothing that is known: \(query)")
            var labels = Self.added
            for name in names {
                if Self.others.contains(name) { continue }
                guard let row = table.row(ofSeries: name) else {
                    Issue.record("\(of) asks for \(name), which is not in the manual")
                    continue
                }
                labels.formUnion(row.labels)
                let isRated = query.contains(try Regex("(rate|increase)\\(\(name)[\\[{]"))
                #expect((row.kind == "gauge") == !isRated, "\(of): \(name) is a \(row.kind)")
            }
            if names.contains(where: Self.others.contains) {
                labels.formUnion(["persistentvolumeclaim", "storageclass"])
            }
            for match in query.matches(of: /by \(([^)]*)\)/) {
                let by = Set(match.output.1.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
                #expect(by.isSubset(of: labels), "\(of): no series has \(by.subtracting(labels))")
            }
            for match in (legend ?? "").matches(of: /\{\{([a-z]+)\}\}/) {
                #expect(labels.contains(String(match.output.1)), "\(of): no series has \(match.output.1)")
            }
        }
    }

    @Test("The table has what the programs register, of the same kind, and all of it is explained")
    func table() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "nacre-metrics-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try "[]".write(toFile: "\(directory)/config.json", atomically: true, encoding: .utf8)
        try """
        apiVersion: v1
        kind: Config
        current-context: none
        clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}]
        contexts: [{name: none, context: {cluster: none, user: none}}]
        users: [{name: none, user: {token: none}}]
        """.write(toFile: "\(directory)/kubeconfig", atomically: true, encoding: .utf8)
        let logger = Logger(label: "nacre") { _ in SwiftLogNoOpLogHandler() }
        let serve = try ServeOptions.parse([
            "--config", "\(directory)/config.json", "--state-dir", directory,
            "--socket", "\(directory)/socket",
        ])
        let controller = try ControllerOptions.parse(["--kubeconfig", "\(directory)/kubeconfig"])
        let stack = ControllerStack(serve.settings, observer: nil, logger: logger)
        let lock = try await StateLock.forCommand(directory, until: .now + .seconds(60))
        let node = NodeStack(serve.settings, nodeID: "n1", stack, holding: lock, observer: nil, logger: logger)

        let ofController = MetricsRegistry()
        ServiceMetrics.register(stack, TrashRounds(stack, serve.settings, logger: logger), in: ofController)
        let liveness = Liveness()
        let kubernetes = try KubernetesStack(
            controller.settings(serve),
            as: try ClusterAccess(controller).identity(),
            stack,
            liveness,
            observer: nil,
            logger: logger
        )
        kubernetes.register(in: ofController)
        let ofAgent = MetricsRegistry()
        let looks = NodeLooks(stateDirectory: directory, loop: liveness.loop("looks"))
        NodeMetrics.register(node, looks, stateDirectory: directory, in: ofAgent)
        for registry in [ofController, ofAgent] {
            _ = VolumeServer(
                configuration: ServerConfiguration(
                    socketPath: serve.socket,
                    driverName: serve.driverName,
                    version: CommandNames.version
                ),
                controller: nil,
                node: nil,
                readiness: { .ready },
                health: { Health([]) },
                metrics: registry,
                logger: logger
            )
        }

        let table = try MetricsTable(page: Manifests.manual("Metrics").path)
        for (registry, of) in [(ofController, "controller"), (ofAgent, "agent")] {
            let served = Exposition(registry.text)
            let written = table.rows.values.filter { $0.of == of || $0.of == "both" }
            for name in registry.described.symmetricDifference(written.map(\.name)) {
                Issue.record("\(name) is registered, or in the manual as of the \(of), but not both")
            }
            for (name, kind) in served.kinds {
                #expect(served.helps[name] != nil, "nothing is said about \(name)")
                #expect(table.rows[name]?.kind == kind, "\(name) is a \(kind)")
            }
            for sample in served.samples {
                let labels = table.row(ofSeries: sample.name)?.labels
                #expect(labels == Set(sample.labels.keys).subtracting(["le"]), "\(sample.name)")
            }
        }
    }
}
