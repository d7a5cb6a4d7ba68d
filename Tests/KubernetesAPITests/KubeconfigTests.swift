import Curl
import Foundation
import JSON
import Secrets
import Testing

@testable import KubernetesAPI

@Suite("Who we are to the API server")
struct KubeconfigTests: ~Copyable {
    private let directory = FileManager.default.temporaryDirectory.appending(path: "kc-\(UUID().uuidString)").path

    init() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    private func write(_ text: String, to name: String) throws -> String {
        let path = "\(directory)/\(name)"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func kubeconfig(cluster: String, user: String) -> String {
        """
        apiVersion: v1
        kind: Config
        current-context: here
        clusters: [{name: c, cluster: {\(cluster)}}]
        contexts: [{name: here, context: {cluster: c, user: u, namespace: team}}]
        users: [{name: u, user: {\(user)}}]
        """
    }

    @Test("A kubeconfig with data and a token is read")
    func data() throws {
        let ca = Data("PEM".utf8).base64EncodedString()
        let path = try write(
            kubeconfig(cluster: "server: 'https://h:6443/', certificate-authority-data: \(ca)", user: "token: t0ken"),
            to: "config"
        )
        let identity = try ClusterIdentity.kubeconfig(at: path)
        #expect(identity.server == "https://h:6443")
        #expect(identity.namespace == "team")
        #expect(identity.token?.withBytes { Array($0) } == Array("t0ken".utf8))
        guard case .server(_, let tls) = identity.target else { return }
        #expect(tls.authorities == Array("PEM".utf8))
        #expect(tls.verifiesServer)
    }

    @Test("Files are found beside the kubeconfig, and a token's file is read again when it changes")
    func files() throws {
        _ = try write("CA", to: "ca.crt")
        let token = try write("first\n", to: "token")
        let path = try write(
            kubeconfig(cluster: "server: 'https://h', certificate-authority: ca.crt", user: "tokenFile: token"),
            to: "config"
        )
        let identity = try ClusterIdentity.kubeconfig(at: path)
        #expect(identity.token?.withBytes { Array($0) } == Array("first".utf8))
        try "second".write(toFile: token, atomically: true, encoding: .utf8)
        #expect(identity.reread())
        #expect(identity.token?.withBytes { Array($0) } == Array("second".utf8))
        #expect(!identity.reread())
    }

    @Test(
        "What is not safe, not supported or not whole is refused with its reason",
        arguments: [
            ("server: 'https://h', insecure-skip-tls-verify: true", "token: t", "insecure-skip-tls-verify"),
            ("server: 'http://h'", "token: t", "https://"),
            ("server: 'https://h'", "exec: {command: aws}", "gets its token from a program"),
            ("server: 'https://h'", "client-certificate-data: QQ==", "not both"),
            ("server: 'https://h', certificate-authority: missing.crt", "token: t", "cannot read"),
            ("server: 'https://h', certificate-authority-data: '*'", "token: t", "not base64"),
        ]
    )
    func refusals(cluster: String, user: String, reason: String) throws {
        let path = try write(kubeconfig(cluster: cluster, user: user), to: "config")
        let error = #expect(throws: IdentityError.self) { try ClusterIdentity.kubeconfig(at: path) }
        #expect(error?.description.contains(reason) ?? false, "\(error?.description ?? "no error")")
    }

    @Test("A pod's identity is its service account's")
    func inCluster() throws {
        _ = try write("CA", to: "ca.crt")
        _ = try write("tok", to: "token")
        _ = try write("nacre\n", to: "namespace")
        let variables = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"]
        let identity = try ClusterIdentity.inCluster(environment: { variables[$0] }, directory: directory)
        #expect(identity?.server == "https://[fd00::1]:443")
        #expect(identity?.namespace == "nacre")
        #expect(try ClusterIdentity.inCluster(environment: { _ in nil }, directory: directory) == nil)
    }
}
