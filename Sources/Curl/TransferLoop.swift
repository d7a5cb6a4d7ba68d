internal import CCurl
internal import Glibc
internal import Synchronization

/// The thread that owns a multi handle: only it uses the handle, other threads post messages.
///
/// Implements `curl_multi_perform` and `curl_multi_poll`.
final class TransferLoop: Sendable {
    enum Message: Sendable {
        case start(SharedTransfer)
        case cancel(SharedTransfer)
        case resume(SharedTransfer)
        case stop
    }

    /// `curl_multi_wakeup` may be called from any thread; all other calls are made on the loop's thread.
    nonisolated(unsafe) private let multi: UnsafeMutableRawPointer
    private let inbox = Mutex(Inbox())

    private struct Inbox {
        var messages: [Message] = []
        /// The multi handle is gone.
        var isClosed = false
    }

    init() throws(CurlError) {
        guard let multi = curl_multi_init() else { throw CurlError(.failedInit, "", "libcurl does not start") }
        _ = nacre_curl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        self.multi = multi
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        guard pthread_create(&thread, nil, runTransferLoop, context) == 0 else {
            Unmanaged<TransferLoop>.fromOpaque(context).release()
            curl_multi_cleanup(multi)
            throw CurlError(.failedInit, "", "no thread can be started")
        }
        pthread_detach(thread)
    }

    func post(_ message: Message) {
        let isClosed = inbox.withLock { inbox in
            guard !inbox.isClosed else { return true }
            inbox.messages.append(message)
            // Within the lock, because the handle is freed after the last message.
            curl_multi_wakeup(multi)
            return false
        }
        if isClosed, case .start(let transfer) = message { transfer.abort("the connections are closed") }
    }

    fileprivate func run() {
        var running: [UnsafeMutableRawPointer: SharedTransfer] = [:]
        while true {
            let messages = inbox.withLock { inbox in
                defer { inbox.messages = [] }
                return inbox.messages
            }
            for message in messages {
                switch message {
                case .start(let transfer): start(transfer, &running)
                case .cancel(let transfer): cancel(transfer, &running)
                case .resume(let transfer):
                    if let handle = transfer.handle { curl_easy_pause(handle, CURLPAUSE_CONT) }
                case .stop: return close(running)
                }
            }
            var count: CInt = 0
            curl_multi_perform(multi, &count)
            collect(&running)
            // The longest sleep; a message or a byte ends it.
            curl_multi_poll(multi, nil, 0, 10_000, nil)
        }
    }

    private func close(_ running: [UnsafeMutableRawPointer: SharedTransfer]) {
        let late = inbox.withLock { inbox in
            inbox.isClosed = true
            defer { inbox.messages = [] }
            return inbox.messages
        }
        for (handle, transfer) in running {
            curl_multi_remove_handle(multi, handle)
            transfer.abort("the connections are closed")
        }
        for case .start(let transfer) in late { transfer.abort("the connections are closed") }
        curl_multi_cleanup(multi)
    }

    private func start(_ transfer: SharedTransfer, _ running: inout [UnsafeMutableRawPointer: SharedTransfer]) {
        guard !transfer.isCanceled else { return transfer.abort("no longer wanted") }
        do throws(CurlError) {
            let handle = try transfer.makeHandle()
            curl_multi_add_handle(multi, handle)
            running[handle] = transfer
        } catch {
            transfer.finish(.failure(error))
        }
    }

    private func cancel(_ transfer: SharedTransfer, _ running: inout [UnsafeMutableRawPointer: SharedTransfer]) {
        transfer.isCanceled = true
        guard let handle = transfer.handle, running.removeValue(forKey: handle) != nil else { return }
        curl_multi_remove_handle(multi, handle)
        transfer.abort("no longer wanted")
    }

    private func collect(_ running: inout [UnsafeMutableRawPointer: SharedTransfer]) {
        var code = CURLE_OK
        while let handle = nacre_curl_multi_next_done(multi, &code) {
            curl_multi_remove_handle(multi, handle)
            running.removeValue(forKey: handle)?.finish(code)
        }
    }
}

/// The thread's body; the loop lives until it returns.
@c
private func runTransferLoop(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    Unmanaged<TransferLoop>.fromOpaque(context).takeRetainedValue().run()
    return nil
}
