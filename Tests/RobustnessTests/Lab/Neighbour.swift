import Foundation
import TestSupport
import Testing

/// A second Kubernetes cluster that has the pool, too: its controller, and what stands in for both clusters' API servers.
///
/// Neither API server has an object: as after the restore of an early backup, all images of a cluster's own are orphans there.
/// A real one is in `OrphanTests` of `KubernetesTests`.
final class Neighbour: Sendable {
    /// A cluster, by the uid that its images bear.
    enum Cluster: String, Sendable {
        case ours = "0d1c4e8a-6a51-4c55-9f0a-000000000001"
        case theirs = "0d1c4e8a-6a51-4c55-9f0a-000000000002"
    }

    /// Whose an image is, in the words of `nacre controller orphans list`.
    enum Origin: String, Decodable {
        case ours = "this cluster"
        case stranger = "another cluster"
        case unknown
        case copy = "a copy"
    }

    private struct List: Decodable {
        struct Image: Decodable {
            let image: String
            let origin: Origin
        }

        let images: [Image]
    }

    /// Its controller.
    let host: Host
    private let lab: Lab
    /// The API servers and what ends TLS in front of them, for as long as this is there.
    private let servers: [ScriptedServer]
    private let fronts: [ChildProcess]

    /// Far from the numbers of crews' hosts.
    private static let number = 240

    /// Makes and starts all of it.
    init(_ lab: Lab) async throws {
        self.lab = lab
        host = try Host(lab, "neighbour", number: Self.number, isNode: false)
        var servers: [ScriptedServer] = []
        var fronts: [ChildProcess] = []
        for cluster in [Cluster.ours, .theirs] {
            let server = try Self.server(cluster)
            fronts.append(try await Self.front(server, lab, cluster))
            servers.append(server)
        }
        (self.servers, self.fronts) = (servers, fronts)
        try await host.boot()
    }

    /// Pulls its plug.
    func end() async {
        try? await host.unplug()
        for server in servers { server.stop() }
    }

    private static func kubeconfig(_ lab: Lab, _ cluster: Cluster) -> String {
        "\(lab.directory)/\(cluster).kubeconfig"
    }

    private static func server(_ cluster: Cluster) throws -> ScriptedServer {
        try ScriptedServer { request, connection in
            let isNamespace = request.target.contains("/namespaces/kube-system")
            let metadata = #""name":"kube-system","uid":"\#(cluster.rawValue)","resourceVersion":"1""#
            let body =
                isNamespace
                ? #"{"kind":"Namespace","apiVersion":"v1","metadata":{\#(metadata)}}"#
                : #"{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}"#
            connection.answer(request.method == "GET" ? 200 : 405, body, ["Content-Type": "application/json"])
        }
    }

    /// Writes a kubeconfig; without TLS no token would be sent.
    private static func front(_ server: ScriptedServer, _ lab: Lab, _ cluster: Cluster) async throws -> ChildProcess {
        let path = kubeconfig(lab, cluster)
        let (certificate, key, log) = ("\(path).crt", "\(path).key", "\(path).port")
        let isMade = try await Lab.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1", "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        guard isMade.isOK else { throw CocoaError(.fileWriteUnknown) }
        let front = try ChildProcess(Lab.tool("lib/test/tls-front"), ["\(server.port)", certificate, key], log: log)
        var port = ""
        try await eventually("there is a port for TLS") {
            port = ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").filter(\.isNumber)
            return !port.isEmpty
        }
        let text = """
            apiVersion: v1
            kind: Config
            current-context: a
            contexts: [{name: a, context: {cluster: a, user: a}}]
            clusters:
            - {name: a, cluster: {server: "https://127.0.0.1:\(port)", certificate-authority: \(certificate)}}
            users: [{name: a, user: {token: t}}]

            """
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return front
    }
}

extension Neighbour {
    /// Runs `nacre controller orphans` as the administrator of one cluster.
    private func orphans(of cluster: Cluster, _ words: [String]) async throws -> (isOK: Bool, output: String) {
        try await Lab.run(
            [NacreProcess.program, "controller", "orphans"] + words + [
                "--pool", "rbd", "--kubeconfig", Self.kubeconfig(lab, cluster), "--config",
                lab.cluster.configurationPath, "--secret-dir", lab.cluster.provisionerSecret,
            ]
        )
    }

    /// Whose the images of the pool are, as one cluster's administrator is told; nothing where the pool does not answer.
    func origins(for cluster: Cluster) async throws -> [String: Origin]? {
        let (isOK, output) = try await orphans(of: cluster, ["list", "--output", "json"])
        guard isOK, let start = output.firstIndex(of: "{"), let end = output.lastIndex(of: "}"),
            let list = try? JSONDecoder().decode(List.self, from: Data(output[start...end].utf8))
        else { return nil }
        // `pool/image`.
        let pairs = list.images.map { ($0.image.split(separator: "/").last.map(String.init) ?? "", $0.origin) }
        return Dictionary(pairs) { first, _ in first }
    }

    /// Has a cluster's administrator remove an image by name; says what came of it.
    func remove(_ image: String, as cluster: Cluster) async throws -> (isOK: Bool, output: String) {
        try await orphans(of: cluster, ["remove", "--image", image, "--yes"])
    }
}
