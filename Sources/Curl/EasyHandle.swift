internal import CCurl
internal import ExactText
internal import Secrets

/// libcurl's global state, initialised before the first handle and never cleaned up.
private let globalState = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

/// A `CURL *` set up for one request; it owns the memory and lists of the request.
///
/// Not Sendable: only the thread that performs the transfer uses it.
final class EasyHandle {
    let handle: UnsafeMutableRawPointer
    let subject: String
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var connectTo: UnsafeMutablePointer<curl_slist>?

    init(_ request: HTTPRequest) throws(CurlError) {
        guard globalState == CURLE_OK, let handle = curl_easy_init() else {
            throw CurlError(.failedInit, request.subject, "libcurl does not start")
        }
        subject = request.subject
        self.handle = handle
        try prepare(request)
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headers)
        curl_slist_free_all(connectTo)
    }

    /// The answer's status, once its head is here.
    var status: Int {
        var status = 0
        _ = nacre_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
        return status
    }

    func error(_ code: CURLcode) -> CurlError {
        CurlError(CurlError.Code(rawValue: code.rawValue), subject, String(cString: curl_easy_strerror(code)))
    }

    func check(_ code: CURLcode) throws(CurlError) {
        guard code == CURLE_OK else { throw error(code) }
    }

    private func prepare(_ request: HTTPRequest) throws(CurlError) {
        switch request.target {
        case .unixSocket(let socket):
            try set(CURLOPT_URL, "http://localhost\(request.path)")
            try set(CURLOPT_UNIX_SOCKET_PATH, socket)
        case .server(let server, let identity):
            try set(CURLOPT_PROTOCOLS_STR, "https,http")
            try set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS)
            // Requests wait for the first connection, which may offer HTTP/2, instead of opening one each.
            if server.startsExactly(with: "https:") { try set(CURLOPT_PIPEWAIT, 1) }
            try set(CURLOPT_TCP_KEEPALIVE, 1)
            try set(CURLOPT_TCP_KEEPIDLE, 30)
            try set(CURLOPT_TCP_KEEPINTVL, 10)
            try set(CURLOPT_CONNECTTIMEOUT_MS, 10_000)
            try setIdentity(identity, server: server, path: request.path)
        }
        try set(CURLOPT_CUSTOMREQUEST, request.method)
        // An empty proxy overrides the environment.
        try set(CURLOPT_PROXY, "")
        try setPath(request)
        // Threads and SIGALRM do not go together.
        try set(CURLOPT_NOSIGNAL, 1)
        // 0 means no limit; libcurl accepts less than 2^31 ms.
        try set(CURLOPT_TIMEOUT_MS, max(1, Int(min(request.timeout / .milliseconds(1), 2_147_483_647))))
        if let idle = request.idleTimeout {
            try set(CURLOPT_LOW_SPEED_LIMIT, 1)
            try set(CURLOPT_LOW_SPEED_TIME, max(1, Int(idle.components.seconds)))
        }
        try setHeaders(request)
        if let signer = request.signer { try setSigner(signer) }
        if let body = request.body { try check(nacre_curl_set_body(handle, body, body.count)) }
    }

    /// Has the path sent as given; the server validates it.
    ///
    /// libcurl 8.22 does not sign under that option, and older ones leave out fewer steps without it: a signed path that any of
    /// them would change is not sent.
    private func setPath(_ request: HTTPRequest) throws(CurlError) {
        guard request.signer != nil else { return try set(CURLOPT_PATH_AS_IS, 1) }
        guard !request.hasDotSteps else {
            throw CurlError(
                .badFunctionArgument,
                subject,
                "a path with '.' or '..' as a step cannot be signed; use another name"
            )
        }
    }

    private func setIdentity(_ identity: TLSIdentity, server: String, path: String) throws(CurlError) {
        if let name = identity.serverName, let address = ServerAddress(server) {
            try set(CURLOPT_URL, "\(address.scheme)://\(name):\(address.port)\(path)")
            connectTo = curl_slist_append(nil, "\(name):\(address.port):\(address.host):\(address.port)")
            try check(nacre_curl_set_list(handle, CURLOPT_CONNECT_TO, connectTo))
        } else {
            try set(CURLOPT_URL, server + path)
        }
        if let authorities = identity.authorities {
            try check(nacre_curl_set_blob(handle, CURLOPT_CAINFO_BLOB, authorities, authorities.count))
            // The system's own authorities have no say then.
            try check(nacre_curl_set_string(handle, CURLOPT_CAPATH, nil))
        }
        if let certificate = identity.certificate {
            try check(nacre_curl_set_blob(handle, CURLOPT_SSLCERT_BLOB, certificate, certificate.count))
        }
        if let key = identity.key {
            try check(key.withBytes { nacre_curl_set_blob(handle, CURLOPT_SSLKEY_BLOB, $0.baseAddress, $0.count) })
        }
        if !identity.verifiesServer {
            try set(CURLOPT_SSL_VERIFYPEER, 0)
            try set(CURLOPT_SSL_VERIFYHOST, 0)
        }
    }

    /// Has libcurl sign the request.
    ///
    /// See: CURLOPT_AWS_SIGV4(3).
    private func setSigner(_ signer: RequestSigner) throws(CurlError) {
        try set(CURLOPT_AWS_SIGV4, "aws:amz:\(signer.region):\(signer.service)")
        try check(signer.accessKey.withCString { nacre_curl_set_string(handle, CURLOPT_USERNAME, $0) })
        try check(signer.secretKey.withCString { nacre_curl_set_string(handle, CURLOPT_PASSWORD, $0) })
    }

    private func setHeaders(_ request: HTTPRequest) throws(CurlError) {
        var lines = request.headers.map { name, value in
            // libcurl omits a header without a value, unless the text ends in a semicolon.
            value.isEmpty ? "\(name);" : "\(name): \(value)"
        }
        // Without these, libcurl adds a form's content type and waits one second for a status 100 that the server does
        // not send.
        // A signature would cover what is said in this way not to be sent.
        for name in ["Content-Type", "Expect"]
        where request.signer == nil && !request.headers.contains(where: { $0.name.lowercased() == name.lowercased() }) {
            lines.append("\(name):")
        }
        if let bearer = request.bearer {
            lines.append(bearer.withBytes { "Authorization: Bearer \(String(decoding: $0, as: UTF8.self))" })
        }
        for line in lines {
            guard !line.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D || $0 == 0 }) else {
                throw CurlError(.badFunctionArgument, subject, "a header holds a line break")
            }
            guard let longer = curl_slist_append(headers, line) else {
                throw CurlError(.outOfMemory, subject, "no memory for headers")
            }
            headers = longer
        }
        try check(nacre_curl_set_headers(handle, headers))
    }

    private func set(_ option: CURLoption, _ value: String) throws(CurlError) {
        guard !value.utf8.contains(0) else {
            throw CurlError(.badFunctionArgument, subject, "a zero byte cannot be sent")
        }
        try check(nacre_curl_set_string(handle, option, value))
    }

    private func set(_ option: CURLoption, _ value: Int) throws(CurlError) {
        try check(nacre_curl_set_long(handle, option, value))
    }
}

/// `https://host:port` taken apart; the port is the scheme's default if none is given.
private struct ServerAddress {
    let scheme: String
    let host: String
    let port: String

    init?(_ url: String) {
        scheme = String(url.prefix { $0 != ":" })
        guard url.startsExactly(with: "\(scheme)://") else { return nil }
        let rest = url.dropFirst(scheme.count + 3).prefix { $0 != "/" }
        guard let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") else {
            host = String(rest)
            port = scheme == "http" ? "80" : "443"
            return
        }
        host = String(rest[..<colon])
        port = String(rest[rest.index(after: colon)...])
    }
}
