internal import CCurl

/// One request on this thread, from its start to its end.
struct Transfer: ~Copyable {
    private let easy: EasyHandle
    private let answer: Answer

    init(_ request: HTTPRequest) throws(CurlError) {
        let easy = try EasyHandle(request)
        let answer = Answer()
        let context = Unmanaged.passUnretained(answer).toOpaque()
        try easy.check(nacre_curl_set_write(easy.handle, receiveBody, context))
        try easy.check(nacre_curl_set_header(easy.handle, receiveHeader, context))
        self.easy = easy
        self.answer = answer
    }

    consuming func perform() throws(CurlError) -> HTTPResponse {
        let code = curl_easy_perform(easy.handle)
        if let fault = answer.fault(easy.subject) { throw fault }
        try easy.check(code)
        return answer.response(status: easy.status)
    }
}

/// The received part of an answer; libcurl fills it only on the thread that performs the transfer.
class Answer {
    private(set) var reader = HeadReader()
    private var body: [UInt8] = []
    private var isTooLong = false

    func response(status: Int) -> HTTPResponse {
        HTTPResponse(status: status, headers: reader.headers, body: body)
    }

    /// Why the answer was not taken to its end.
    func fault(_ subject: String) -> CurlError? {
        guard isTooLong else { return nil }
        return CurlError(.writeError, subject, "the answer is longer than \(HTTPClient.longestAnswerBytes) bytes")
    }

    func appendHeader(_ bytes: UnsafeRawBufferPointer) {
        reader.append(bytes)
    }

    /// Takes bytes of the body; returns what libcurl's write callback has to return.
    func appendBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard body.count + bytes.count <= HTTPClient.longestAnswerBytes else {
            isTooLong = true
            return 0
        }
        body.append(contentsOf: bytes)
        return bytes.count
    }
}

/// libcurl's write callback; `context` is an `Answer`.
@c
func receiveBody(
    _ bytes: UnsafeMutablePointer<CChar>?,
    _ size: Int,
    _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let bytes, let context else { return 0 }
    let answer = Unmanaged<Answer>.fromOpaque(context).takeUnretainedValue()
    return answer.appendBody(UnsafeRawBufferPointer(start: bytes, count: size * count))
}

/// libcurl's header callback; `context` is an `Answer`.
@c
func receiveHeader(
    _ bytes: UnsafeMutablePointer<CChar>?,
    _ size: Int,
    _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let bytes, let context else { return 0 }
    let answer = Unmanaged<Answer>.fromOpaque(context).takeUnretainedValue()
    answer.appendHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
    return size * count
}
