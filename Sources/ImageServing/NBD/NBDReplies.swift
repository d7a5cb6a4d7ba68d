internal import Glibc
internal import ImageIO
internal import RBD
internal import Synchronization

/// Sends the replies of one connection, from whichever thread has one, without a lock.
///
/// Whoever adds the first reply sends, and goes on until there is none; the others leave theirs and go. So replies that
/// come while one is being sent go out together in one call.
///
/// Safe to share: the plain fields are touched by whoever sends, and the count `added` lets one send at a time.
final class NBDReplies: @unchecked Sendable {
    private let socket: CInt
    private let engine: ImageIOEngine
    /// Requests that have ended, the last one first: an index + 1, or 0.
    private let ended = Atomic<UInt32>(0)
    /// How many have been added and not been seen by who sends.
    private let added = Atomic<Int>(0)
    private let isBroken = Atomic(false)

    /// Handles of acknowledged writes: the connection's reader puts them in, who sends takes them out.
    private let acknowledged = UnsafeMutablePointer<UInt64>.allocate(capacity: ringSize)
    private let acknowledgedIn = Atomic<Int>(0)
    private let acknowledgedOut = Atomic<Int>(0)

    private let headers = UnsafeMutableRawPointer.allocate(byteCount: batch * NBDProtocol.replyBytes, alignment: 8)
    private let vectors = UnsafeMutablePointer<iovec>.allocate(capacity: 2 * batch)
    private var inBatch = 0
    private var vectorCount = 0
    private var sending: UInt32 = 0

    /// More than a connection can have under way in the kernel.
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

    /// Leaves an acknowledgement that `sendAll` sends; of the connection's reader alone.
    ///
    /// The ring always has room: the kernel has fewer requests under way.
    func acknowledge(_ handle: UInt64) {
        let place = acknowledgedIn.load(ordering: .relaxed)
        acknowledged[place % Self.ringSize] = handle
        acknowledgedIn.store(place + 1, ordering: .releasing)
    }

    /// Adds a reply and sends, unless another thread does already; the request is released then.
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

    /// Sends what there is, unless another thread does already.
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
        // The last one to end comes first; turned round, who waits longest is answered first.
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
                // What lies past the end of an object or of the image reads as zeros.
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
        // Headers that follow each other go as one piece.
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
                // The kernel has given up on this connection, and sends its requests again on another one.
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
