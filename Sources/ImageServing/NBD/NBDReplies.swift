internal import Glibc
internal import ImageIO
internal import RBD
internal import Synchronization

/// Sends the replies of one connection from any thread, without a lock.
///
/// The thread that adds the first reply sends, until no reply is left; other threads only add theirs. So replies that
/// are added during a send are sent together in one call.
///
/// Safe to share: only the sending thread uses the plain fields, and the count `added` allows one sender at a time.
final class NBDReplies: @unchecked Sendable {
    private let socket: CInt
    private let engine: ImageIOEngine
    /// The ended requests, the latest first: an index + 1, or 0.
    private let ended = Atomic<UInt32>(0)
    /// How many were added and not yet taken by the sender.
    private let added = Atomic<Int>(0)
    private let isBroken = Atomic(false)

    /// Handles of acknowledged writes: the connection's reader adds them, the sender takes them.
    private let acknowledged = UnsafeMutablePointer<UInt64>.allocate(capacity: ringSize)
    private let acknowledgedIn = Atomic<Int>(0)
    private let acknowledgedOut = Atomic<Int>(0)

    private let headers = UnsafeMutableRawPointer.allocate(byteCount: batch * NBDProtocol.replyBytes, alignment: 8)
    private let vectors = UnsafeMutablePointer<iovec>.allocate(capacity: 2 * batch)
    private var inBatch = 0
    private var vectorCount = 0
    private var sending: UInt32 = 0

    /// More than the kernel can have under way on a connection.
    private static let ringSize = 1024
    private static let batch = 128

    init(socket: CInt, engine: ImageIOEngine) {
        self.socket = socket
        self.engine = engine
    }

    deinit {
        acknowledged.deallocate()
        headers.deallocate()
        vectors.deallocate()
    }

    /// Adds an acknowledgement that `sendAll` sends; called only by the connection's reader.
    ///
    /// The ring always has room: the kernel has fewer requests under way.
    func acknowledge(_ handle: UInt64) {
        let place = acknowledgedIn.load(ordering: .relaxed)
        acknowledged[place % Self.ringSize] = handle
        acknowledgedIn.store(place + 1, ordering: .releasing)
    }

    /// Adds a reply and sends it, unless another thread is sending; the request is released after that.
    func add(_ request: IORequest) {
        var first = ended.load(ordering: .relaxed)
        while true {
            request.next = first
            let outcome = ended.weakCompareExchange(
                expected: first,
                desired: UInt32(request.index + 1),
                ordering: .acquiringAndReleasing
            )
            if outcome.exchanged { break }
            first = outcome.original
        }
        sendAll()
    }

    /// Sends all replies, unless another thread is sending.
    func sendAll() {
        guard added.add(1, ordering: .acquiringAndReleasing).oldValue == 0 else { return }
        while true {
            let seen = added.load(ordering: .acquiring)
            collectAcknowledgements()
            collectEnded()
            flush()
            if added.subtract(seen, ordering: .acquiringAndReleasing).newValue == 0 { return }
        }
    }

    private func collectAcknowledgements() {
        var place = acknowledgedOut.load(ordering: .relaxed)
        let end = acknowledgedIn.load(ordering: .acquiring)
        while place < end {
            put(handle: acknowledged[place % Self.ringSize], errno: 0)
            place += 1
        }
        acknowledgedOut.store(place, ordering: .releasing)
    }

    private func collectEnded() {
        var next = ended.exchange(0, ordering: .acquiringAndReleasing)
        // The list has the latest first; it is reversed so that the oldest is answered first.
        var oldest: UInt32 = 0
        while next != 0 {
            let request = engine.request(at: Int(next - 1))
            (next, request.next, oldest) = (request.next, oldest, next)
        }
        while oldest != 0 {
            let request = engine.request(at: Int(oldest - 1))
            oldest = request.next
            put(handle: request.tag, errno: request.result < 0 ? UInt32(-request.result) : 0)
            if request.kind == .read, request.result >= 0 {
                let (length, count) = (Int(request.length), request.result)
                // Bytes after the end of an object or of the image read as zeros.
                if count < length { memset(request.buffer + count, 0, length - count) }
                vectors[vectorCount] = iovec(iov_base: request.buffer, iov_len: length)
                vectorCount += 1
            }
            request.next = sending
            sending = UInt32(request.index + 1)
            if inBatch == Self.batch { flush() }
        }
    }

    private func put(handle: UInt64, errno: UInt32) {
        if inBatch == Self.batch { flush() }
        let place = headers + inBatch * NBDProtocol.replyBytes
        NBDProtocol.putReply(place, handle: handle, errno: errno)
        inBatch += 1
        // Adjacent headers are sent as one buffer.
        if vectorCount > 0, let base = vectors[vectorCount - 1].iov_base,
            base + vectors[vectorCount - 1].iov_len == place
        {
            vectors[vectorCount - 1].iov_len += NBDProtocol.replyBytes
        } else {
            vectors[vectorCount] = iovec(iov_base: place, iov_len: NBDProtocol.replyBytes)
            vectorCount += 1
        }
    }

    private func flush() {
        if vectorCount > 0, !isBroken.load(ordering: .relaxed) { send() }
        while sending != 0 {
            let request = engine.request(at: Int(sending - 1))
            sending = request.next
            engine.release(request)
        }
        (inBatch, vectorCount) = (0, 0)
    }

    private func send() {
        var message = msghdr()
        message.msg_iov = vectors
        message.msg_iovlen = vectorCount
        while message.msg_iovlen > 0 {
            var count = sendmsg(socket, &message, CInt(MSG_NOSIGNAL))
            if count < 0 {
                if errno == EINTR { continue }
                // The kernel has closed this connection and sends its requests again on another one.
                isBroken.store(true, ordering: .relaxed)
                return
            }
            while count > 0, let vector = message.msg_iov {
                let taken = min(count, vector.pointee.iov_len)
                vector.pointee.iov_base += taken
                vector.pointee.iov_len -= taken
                count -= taken
                if vector.pointee.iov_len == 0 {
                    message.msg_iov += 1
                    message.msg_iovlen -= 1
                }
            }
        }
    }
}
