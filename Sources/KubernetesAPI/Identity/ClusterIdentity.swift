internal import Curl
internal import Secrets
internal import Synchronization

/// The API server's address and the client's identity.
///
/// A token in a file is read again every minute, and at once if the server rejects it: kubelet renews the file long
/// before the token expires.
package final class ClusterIdentity: Sendable {
    /// `https://10.96.0.1:443`.
    package let server: String
    /// The namespace that we are in, if we know.
    package let namespace: String?

    private let fixed: Parts
    private let tokenPath: String?
    private let authoritiesPath: String?
    private let state = Mutex(State())

    /// What does not come from files that change.
    struct Parts: Sendable {
        var authorities: [UInt8]?
        var certificate: [UInt8]?
        var key: Secret?
        var token: Secret?
        var serverName: String?
        var verifiesServer = true
    }

    private struct State {
        var token: Secret?
        var authorities: [UInt8]?
        var readAt: ContinuousClock.Instant?
    }

    private static let tokenAge = Duration.seconds(60)

    init(
        server: String,
        namespace: String?,
        fixed: Parts,
        tokenPath: String? = nil,
        authoritiesPath: String? = nil
    ) {
        self.server = server
        self.namespace = namespace
        self.fixed = fixed
        self.tokenPath = tokenPath
        self.authoritiesPath = authoritiesPath
    }

    /// The server's address with the TLS identities.
    var target: HTTPRequest.Target {
        refresh(olderThan: Self.tokenAge)
        let authorities = state.withLock { $0.authorities }
        return .server(
            server,
            TLSIdentity(
                authorities: authorities ?? fixed.authorities,
                certificate: fixed.certificate,
                key: fixed.key,
                serverName: fixed.serverName,
                verifiesServer: fixed.verifiesServer
            )
        )
    }

    /// The bearer token, if there is one.
    var token: Secret? {
        refresh(olderThan: Self.tokenAge)
        return state.withLock { $0.token } ?? fixed.token
    }

    /// Reads the files again, because the server rejects the token, or its certificate is not trusted.
    ///
    /// Returns whether anything is different now.
    func reread() -> Bool {
        let before = state.withLock { ($0.token, $0.authorities) }
        refresh(olderThan: .zero)
        return state.withLock { ($0.token, $0.authorities) } != before
    }

    private func refresh(olderThan age: Duration) {
        guard tokenPath != nil || authoritiesPath != nil else { return }
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            guard state.readAt.map({ now - $0 >= age }) ?? true else { return false }
            state.readAt = now
            return true
        }
        guard isDue else { return }
        // If a file cannot be read now, its last content stays in use.
        let token = tokenPath.flatMap { IdentityFile.bytes($0) }.map { Secret(IdentityFile.trimmed($0)) }
        let authorities = authoritiesPath.flatMap { IdentityFile.bytes($0) }
        state.withLock { state in
            if let token, !token.isEmpty { state.token = token }
            if let authorities { state.authorities = authorities }
        }
    }
}

/// An identity that cannot be had.
package struct IdentityError: Error, Sendable, CustomStringConvertible {
    /// For a person; holds no secret.
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
