internal import CCurl
internal import Synchronization

/// A request on its way through a `TransferLoop`.
///
/// Only the loop's thread uses the handle and the answer; other threads only hold the object, so it is Sendable.
final class SharedTransfer: @unchecked Sendable {
    /// What receives the bytes.
    let receiver: Answer
    /// Set by the loop's thread.
    var isCanceled = false

    private let request: HTTPRequest
    private let notBefore: ContinuousClock.Instant
    private var easy: EasyHandle?
    private let end = Mutex<(@Sendable (Result<HTTPResponse, CurlError>) -> Void)?>(nil)

    init(_ request: HTTPRequest, receiver: Answer) {
        self.request = request
        self.receiver = receiver
        notBefore = .now
    }

    /// Sets the callback for the end; must be called before the transfer starts.
    func onEnd(_ body: @escaping @Sendable (Result<HTTPResponse, CurlError>) -> Void) {
        end.withLock { $0 = body }
    }

    /// Makes the handle, on the loop's thread; its timeout counts from the moment of the request.
    func makeHandle() throws(CurlError) -> UnsafeMutableRawPointer {
        var request = request
        request.timeout -= .now - notBefore
        guard request.timeout > .zero else {
            throw CurlError(.operationTimedout, request.subject, "the time was up before it could be sent")
        }
        let easy = try EasyHandle(request)
        let context = Unmanaged.passUnretained(receiver).toOpaque()
        try easy.check(nacre_curl_set_write(easy.handle, receiveBody, context))
        try easy.check(nacre_curl_set_header(easy.handle, receiveHeader, context))
        self.easy = easy
        return easy.handle
    }

    var handle: UnsafeMutableRawPointer? { easy?.handle }

    /// Reports the end, once, and releases the handle.
    func finish(_ code: CURLcode) {
        guard let easy else { return }
        if let fault = receiver.fault(easy.subject) {
            finish(.failure(fault))
        } else if code != CURLE_OK {
            finish(.failure(easy.error(code)))
        } else {
            finish(.success(receiver.response(status: easy.status)))
        }
    }

    func finish(_ outcome: Result<HTTPResponse, CurlError>) {
        easy = nil
        end.withLock { $0.take() }?(outcome)
    }

    /// Aborts it.
    func abort(_ reason: String) {
        finish(.failure(CurlError(.abortedByCallback, request.subject, reason)))
    }
}

/// The answer of a request that waits for all of it.
final class WholeAnswer: Answer {}
