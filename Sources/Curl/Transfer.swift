internal import CCurl

/// libcurl's global state, set up before the first handle and never taken down.
private let globalState = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

/// An easy handle set up for one request.
struct Transfer: ~Copyable {
    private let handle: UnsafeMutableRawPointer
    private let subject: String
    private let answer = Answer()
    private var headers: UnsafeMutablePointer<curl_slist>?

    init(_ request: HTTPRequest) throws(CurlError) {
        let subject = "unix:\(request.unixSocket) \(request.path)"
        guard globalState == CURLE_OK, let handle = curl_easy_init() else {
            throw CurlError(.failedInit, subject, "libcurl does not start")
        }
        self.subject = subject
        self.handle = handle
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headers)
    }

    mutating func prepare(_ request: HTTPRequest) throws(CurlError) {
        try set(CURLOPT_URL, "http://localhost\(request.path)")
        try set(CURLOPT_UNIX_SOCKET_PATH, request.unixSocket)
        try set(CURLOPT_CUSTOMREQUEST, request.method)
        // An empty list of proxies wins over the environment's.
        try set(CURLOPT_PROXY, "")
        // The path goes out as given: the server judges it, not we.
        try set(CURLOPT_PATH_AS_IS, 1)
        // Threads and SIGALRM do not go together.
        try set(CURLOPT_NOSIGNAL, 1)
        // 0 would mean no limit at all; libcurl takes no more than 2^31 ms.
        try set(CURLOPT_TIMEOUT_MS, max(1, Int(min(request.timeout / .milliseconds(1), 2_147_483_647))))
        try setHeaders(request)
        if let body = request.body { try setBody(body) }
        try check(
            nacre_curl_set_write(
                handle,
                { bytes, size, count, context in Answer.receive(bytes, size * count, context, Answer.appendBody) },
                Unmanaged.passUnretained(answer).toOpaque()
            )
        )
        try check(
            nacre_curl_set_header(
                handle,
                { bytes, size, count, context in Answer.receive(bytes, size * count, context, Answer.appendHeader) },
                Unmanaged.passUnretained(answer).toOpaque()
            )
        )
    }

    consuming func perform() throws(CurlError) -> HTTPResponse {
        let code = curl_easy_perform(handle)
        guard !answer.isTooLong else {
            throw CurlError(.writeError, subject, "the answer is longer than \(HTTPClient.longestAnswerBytes) bytes")
        }
        try check(code)
        var status = 0
        try check(nacre_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status))
        return HTTPResponse(status: status, headers: answer.headers, body: answer.body)
    }

    private mutating func setHeaders(_ request: HTTPRequest) throws(CurlError) {
        var lines = request.headers.map { name, value in
            // libcurl takes a header without a value for one to leave out, unless it ends in a semicolon.
            value.isEmpty ? "\(name);" : "\(name): \(value)"
        }
        // Without these libcurl adds a form's content type, and waits a second for a 100 that nobody sends.
        for name in ["Content-Type", "Expect"]
        where !request.headers.contains(where: { $0.name.lowercased() == name.lowercased() }) {
            lines.append("\(name):")
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

    private func setBody(_ body: [UInt8]) throws(CurlError) {
        try check(nacre_curl_set_body(handle, body, body.count))
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

    private func check(_ code: CURLcode) throws(CurlError) {
        guard code == CURLE_OK else {
            throw CurlError(
                CurlError.Code(rawValue: code.rawValue),
                subject,
                String(cString: curl_easy_strerror(code))
            )
        }
    }
}

/// What has come of an answer; libcurl fills it on the thread that performs the transfer, and only there.
private final class Answer {
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    var isTooLong = false

    /// Hands bytes from libcurl to `append`, and tells libcurl how many were taken.
    static func receive(
        _ bytes: UnsafeMutablePointer<CChar>?,
        _ count: Int,
        _ context: UnsafeMutableRawPointer?,
        _ append: (Answer, UnsafeRawBufferPointer) -> Bool
    ) -> Int {
        guard let bytes, let context else { return 0 }
        let answer = Unmanaged<Answer>.fromOpaque(context).takeUnretainedValue()
        return append(answer, UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }

    static func appendBody(_ answer: Answer, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard answer.body.count + bytes.count <= HTTPClient.longestAnswerBytes else {
            answer.isTooLong = true
            return false
        }
        answer.body.append(contentsOf: bytes)
        return true
    }

    static func appendHeader(_ answer: Answer, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let line = String(decoding: bytes, as: UTF8.self)
        // A status line starts anew: after a 100 comes the answer proper.
        if line.hasPrefix("HTTP/") { answer.headers = [] }
        guard let colon = line.firstIndex(of: ":") else { return true }
        let value = line[line.index(after: colon)...]
        answer.headers.append(
            (
                String(line[..<colon]).lowercased(),
                String(value.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
            )
        )
        return true
    }
}
