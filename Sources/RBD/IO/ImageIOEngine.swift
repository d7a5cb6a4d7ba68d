internal import CRBD
internal import Glibc
internal import Synchronization

/// Asynchronous reads, writes, flushes and zeroings of one open image, for who serves them to a kernel.
///
/// In the steady state nothing of ours is allocated a request: contexts and buffers come from a slab. The critical section
/// of the free list is a few loads and stores; completions run on librbd's threads and do no more than hand over the
/// outcome.
package final class ImageIOEngine: @unchecked Sendable {
    /// What a request asked for.
    package enum Kind: UInt8, Sendable {
        /// Bytes out of the image.
        case read
        /// Bytes into the image.
        case write
        /// All acknowledged writes on stable storage.
        case flush
        /// A range that reads as zeros, its objects given back where it covers them.
        case zero
    }

    /// A request that has ended; valid during the handler's call alone.
    package struct Completion {
        /// What was asked for.
        package let kind: Kind
        /// What the caller gave to know it by.
        package let token: OpaquePointer
        /// Bytes read or written, 0, or a negative errno.
        package let result: Int
        /// What was read.
        package let bytes: UnsafeRawBufferPointer
    }

    private struct Slot {
        let engine: Unmanaged<ImageIOEngine>
        let index: Int
        let buffer: UnsafeMutableRawPointer
        var kind = Kind.flush
        var token: OpaquePointer
        var length = 0
        var next: UnsafeMutablePointer<Slot>?
    }

    private struct FreeList: @unchecked Sendable {
        var first: UnsafeMutablePointer<Slot>?
        var count = 0
    }

    private let image: Image
    private let raw: UnsafeMutableRawPointer
    private let longestTransfer: Int
    private let handler: (borrowing Completion) -> Void
    private let free = Mutex(FreeList())
    private let running = Atomic<Int>(0)

    /// The slots below this index keep their buffers' memory; the others give it back after a large transfer.
    private static let warmSlots = 32
    private static let smallTransfer = 128 << 10

    /// Prepares `slots` requests of up to `longestTransfer` bytes; more at once are possible, and allocate.
    ///
    /// - Parameters:
    ///   - image: The open image; it stays open as long as the engine.
    ///   - slots: How many requests run at once, usually.
    ///   - longestTransfer: The largest read or write, in bytes.
    ///   - handler: Called once a request, from librbd's threads.
    package init(
        image: Image,
        slots: Int,
        longestTransfer: Int,
        handler: @escaping (borrowing Completion) -> Void
    ) {
        self.image = image
        self.longestTransfer = longestTransfer
        self.handler = handler
        raw = image.withRawImage { $0 }
        for _ in 0..<slots {
            if let slot = makeSlot() { release(slot) }
        }
    }

    /// How many requests are under way.
    package var inFlight: Int { running.load(ordering: .relaxed) }

    /// Reads `length` bytes at `offset`.
    package func read(offset: UInt64, length: Int, token: OpaquePointer) {
        submit(.read, token, length) { slot, completion in
            rbd_aio_read(raw, offset, length, slot.pointee.buffer.assumingMemoryBound(to: CChar.self), completion)
        }
    }

    /// Writes a copy of `bytes` at `offset`.
    package func write(offset: UInt64, bytes: UnsafeRawBufferPointer, token: OpaquePointer) {
        submit(.write, token, bytes.count) { slot, completion in
            if let source = bytes.baseAddress { memcpy(slot.pointee.buffer, source, bytes.count) }
            let buffer = slot.pointee.buffer.assumingMemoryBound(to: CChar.self)
            return rbd_aio_write(raw, offset, bytes.count, buffer, completion)
        }
    }

    /// Puts all acknowledged writes on stable storage.
    package func flush(token: OpaquePointer) {
        submit(.flush, token, 0) { _, completion in rbd_aio_flush(raw, completion) }
    }

    /// Makes a range read as zeros and gives back the objects that it covers.
    ///
    /// Not `rbd_aio_discard`: that leaves what does not fill its granularity of 64 KiB as it was, but the kernel's loop
    /// driver punches holes for zeroing too, and then reads must return zeros.
    package func zero(offset: UInt64, length: UInt64, token: OpaquePointer) {
        submit(.zero, token, 0) { _, completion in
            rbd_aio_write_zeroes(raw, offset, Int(length), completion, 0, 0)
        }
    }

    private func submit(
        _ kind: Kind,
        _ token: OpaquePointer,
        _ length: Int,
        _ start: (UnsafeMutablePointer<Slot>, rbd_completion_t) -> CInt
    ) {
        guard length <= longestTransfer, let slot = takeSlot() ?? makeSlot() else {
            let errno = length <= longestTransfer ? ENOMEM : EINVAL
            handler(Completion(kind: kind, token: token, result: -Int(errno), bytes: .init(start: nil, count: 0)))
            return
        }
        slot.pointee.kind = kind
        slot.pointee.token = token
        slot.pointee.length = length
        running.add(1, ordering: .relaxed)
        var completion: rbd_completion_t?
        var result = rbd_aio_create_completion(slot, requestCompleted, &completion)
        if result >= 0, let completion {
            result = start(slot, completion)
            if result >= 0 { return }
            rbd_aio_release(completion)
        }
        finish(slot, Int(result))
    }

    fileprivate static func complete(_ context: UnsafeMutableRawPointer, _ result: Int) {
        let slot = context.assumingMemoryBound(to: Slot.self)
        slot.pointee.engine._withUnsafeGuaranteedRef { $0.finish(slot, result) }
    }

    private func finish(_ slot: UnsafeMutablePointer<Slot>, _ result: Int) {
        let read = slot.pointee.kind == .read && result > 0 ? min(result, slot.pointee.length) : 0
        handler(
            Completion(
                kind: slot.pointee.kind,
                token: slot.pointee.token,
                result: slot.pointee.kind == .write && result >= 0 ? slot.pointee.length : result,
                bytes: UnsafeRawBufferPointer(start: slot.pointee.buffer, count: read)
            )
        )
        release(slot)
        running.subtract(1, ordering: .relaxed)
    }

    private func takeSlot() -> UnsafeMutablePointer<Slot>? {
        free.withLock { free in
            guard let slot = free.first else { return FreeList() }
            free.first = slot.pointee.next
            return FreeList(first: slot)
        }.first
    }

    private func release(_ slot: UnsafeMutablePointer<Slot>) {
        if slot.pointee.index >= Self.warmSlots, slot.pointee.length > Self.smallTransfer {
            madvise(slot.pointee.buffer, longestTransfer, CInt(MADV_DONTNEED))
        }
        let returned = FreeList(first: slot)
        free.withLock { free in
            returned.first?.pointee.next = free.first
            free.first = returned.first
        }
    }

    /// Buffers are address space until they are first written.
    private func makeSlot() -> UnsafeMutablePointer<Slot>? {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let buffer = mmap(nil, longestTransfer, PROT_READ | PROT_WRITE, flags, -1, 0), buffer != MAP_FAILED else {
            return nil
        }
        let index = free.withLock { free in
            free.count += 1
            return free.count - 1
        }
        let slot = UnsafeMutablePointer<Slot>.allocate(capacity: 1)
        slot.initialize(
            to: Slot(engine: .passUnretained(self), index: index, buffer: buffer, token: OpaquePointer(buffer))
        )
        return slot
    }
}

@c
private func requestCompleted(_ completion: rbd_completion_t?, _ context: UnsafeMutableRawPointer?) {
    guard let completion, let context else { return }
    let result = rbd_aio_get_return_value(completion)
    rbd_aio_release(completion)
    ImageIOEngine.complete(context, result)
}
