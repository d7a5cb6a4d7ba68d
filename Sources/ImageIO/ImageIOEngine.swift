package import RBD
internal import Synchronization

/// Serves a kernel's requests for one open image; FUSE and nbd are its fronts.
///
/// In the steady state a request takes no lock, allocates no memory here and wakes no thread here. Requests and buffers
/// come from a table; librbd's completions pass the result to the front.
///
/// **Write-back.** librbd's own cache is off, because it would be lost with the process. Instead the engine
/// acknowledges a write as soon as it is in memory that outlives the process (`SharedRequestMemory`), up to
/// `unstableLimit` bytes. The write is stable when the cluster has acknowledged it, and a flush waits for that. So the
/// device behaves like a disk with a volatile cache. A killed server loses no acknowledged write: its successor sends
/// them again by `writeAgain`.
///
/// **Order.** A request that overlaps an earlier change waits until that change has ended. Requests wait for lower
/// sequence numbers alone, so they cannot wait for each other.
///
/// Safe to share: its pointers never change, its counts are atomics, and a slot belongs to the thread that took it from
/// the free list.
package final class ImageIOEngine: @unchecked Sendable {
    /// What becomes of a request that was submitted.
    package enum Outcome: Sendable {
        /// The kernel must be answered now; the caller must not use the request any more.
        case acknowledged
        /// The handler is called, perhaps before `submit` returns; release the request after it.
        case pending
    }

    let target: any RequestTarget
    let memory: SharedRequestMemory
    let slots: UnsafeMutablePointer<IORequest.Slot>
    let postponed: PostponedWrites
    let blocks = ChangedBlocks()
    let changes = StepAtomic<Int>(0)
    let writesUnderWay = StepAtomic<Int>(0)
    let writesAtOnce: Int
    let handler: @Sendable (IORequest) -> Void
    let free = FreeStack()
    // What only limits and people depend on is no step for a test.
    let running = Atomic<Int>(0)
    let unstableBytes = Atomic<Int>(0)
    private let writesSinceFlush = Atomic<Int>(0)
    private let starved = Atomic<Int>(0)
    private let room = Room()
    let flushesLibrary: Bool
    private let acknowledgesEarly: Bool

    /// How many acknowledged writes are sent at once before further ones are postponed.
    ///
    /// More writes at once use the OSDs better: with three OSDs, 128 took 1.5 times as long as 512.
    private static let writesAtOnce = 512
    /// Acknowledged bytes that may be unstable at once; more are acknowledged when they are stable.
    private static let unstableLimit = 32 << 20
    /// Requests that may be unstable at once, or as many as were written since the last flush.
    private static let unstableRequests = 512
    /// The requests below this index keep their buffers' memory; the others give it back after a large transfer.
    private static let warmSlots = 64
    private static let smallTransfer = 128 << 10

    /// Prepares the requests.
    ///
    /// - Parameters:
    ///   - image: The open image; it stays open as long as the engine. Its cluster's `rbd_cache` must be off.
    ///   - memory: What is shared with the servers before and after.
    ///   - acknowledgesEarly: Whether a write may be acknowledged before it is stable: nobody else may use the image.
    ///   - hasJournal: Whether the image has the journaling feature: then a flush goes to librbd too.
    ///   - handler: Called once a pending request, mostly from librbd's threads; must not block for long.
    package convenience init(
        image: Image,
        memory: SharedRequestMemory,
        acknowledgesEarly: Bool,
        hasJournal: Bool,
        handler: @escaping @Sendable (IORequest) -> Void
    ) {
        self.init(
            target: LibrbdTarget(image),
            memory: memory,
            acknowledgesEarly: acknowledgesEarly,
            hasJournal: hasJournal,
            writesAtOnce: Self.writesAtOnce,
            handler: handler
        )
    }

    /// Prepares the requests for any target; at most `writesAtOnce` acknowledged writes are sent before further ones are postponed.
    init(
        target: any RequestTarget,
        memory: SharedRequestMemory,
        acknowledgesEarly: Bool,
        hasJournal: Bool,
        writesAtOnce: Int,
        handler: @escaping @Sendable (IORequest) -> Void
    ) {
        self.target = target
        self.writesAtOnce = writesAtOnce
        self.memory = memory
        postponed = PostponedWrites(places: memory.count)
        self.handler = handler
        flushesLibrary = hasJournal
        self.acknowledgesEarly = acknowledgesEarly
        slots = .allocate(capacity: memory.count)
        for index in 0..<memory.count {
            let buffer = memory.buffer(of: index)
            (slots + index).initialize(to: IORequest.Slot(engine: .passUnretained(self), index: index, buffer: buffer))
        }
        // The first slots are taken first, so that few buffers are ever used.
        for index in (0..<memory.count).reversed()
        where memory.sequence(of: index).pointee.load(ordering: .relaxed) == 0 {
            free.push(slots + index)
        }
    }

    deinit {
        slots.deinitialize(count: memory.count)
        slots.deallocate()
    }

    /// How many requests are under way, acknowledged ones included.
    package var inFlight: Int { running.load(ordering: .relaxed) }

    /// What was done so far.
    package var statistics: IOStatistics {
        var statistics = IOStatistics(memory)
        statistics.inFlight = inFlight
        statistics.unstableBytes = UInt64(max(0, unstableBytes.load(ordering: .relaxed)))
        return statistics
    }

    /// Takes a free request; waits while all are in use, which makes the kernel wait.
    ///
    /// - Parameters:
    ///   - kind: What is asked for.
    ///   - offset: Where in the image.
    ///   - length: How many bytes; those of a read or write are at most `longestTransfer`.
    ///   - owner: For the front to know it by.
    ///   - tag: For the front to know it by.
    /// - Returns: The request; a write's bytes are to be put into its buffer.
    package func take(_ kind: IOKind, offset: UInt64, length: UInt64, owner: UInt, tag: UInt64) -> IORequest {
        let slot = free.pop(slots) ?? waitForRoom()
        slot.pointee.kind = kind
        slot.pointee.offset = offset
        slot.pointee.length = length
        slot.pointee.owner = owner
        slot.pointee.tag = tag
        slot.pointee.result = 0
        slot.pointee.isAcknowledged = false
        slot.pointee.isCounted = false
        slot.pointee.joined = 0
        running.add(1, ordering: .relaxed)
        return IORequest(slot: slot)
    }

    /// The request at a place of the table, for lists of the front's.
    package func request(at index: Int) -> IORequest { IORequest(slot: slots + index) }

    /// Gives a request back.
    package func release(_ request: IORequest) {
        let slot = request.slot
        let transferred = slot.pointee.kind == .read || slot.pointee.kind == .write ? slot.pointee.length : 0
        if slot.pointee.index >= Self.warmSlots, transferred > UInt64(Self.smallTransfer) {
            memory.forget(slot.pointee.index)
        }
        running.subtract(1, ordering: .relaxed)
        free.push(slot)
        if starved.load(ordering: .sequentiallyConsistent) > 0 { room.signal() }
    }

    /// Does what the request asks for.
    ///
    /// - Parameters:
    ///   - request: A request; the front must not touch it again unless it is pending.
    ///   - isDurable: Whether a write must be stable when it is answered.
    /// - Returns: What became of it; a pending one is answered later.
    package func submit(_ request: IORequest, isDurable: Bool = false) -> Outcome {
        let slot = request.slot
        count(slot)
        let sequence = memory.sequence.pointee.add(1, ordering: .relaxed).newValue
        slot.pointee.sequence = sequence
        guard slot.pointee.kind != .read, slot.pointee.kind != .flush else {
            advance(slot)
            return .pending
        }
        let isEarly = slot.pointee.kind == .write && !isDurable && reserveUnstable(slot.pointee.length)
        slot.pointee.isAcknowledged = isEarly
        publish(slot)
        // From here on the request may end and be reused at any time.
        advance(slot)
        if isEarly { memory.counter(.acknowledgedEarly).pointee.add(1, ordering: .relaxed) }
        return isEarly ? .acknowledged : .pending
    }

    /// Ends a request with an error, without doing anything.
    package func refuse(_ request: IORequest, errno: CInt) {
        request.slot.pointee.result = -Int(errno)
        handler(request)
    }

    private func reserveUnstable(_ length: UInt64) -> Bool {
        guard acknowledgesEarly, memory.failure.pointee.load(ordering: .relaxed) == 0 else { return false }
        // A caller that flushes rarely must not have to wait for thousands of writes, and some requests must be left
        // for reads.
        let since = writesSinceFlush.add(1, ordering: .relaxed).newValue
        let most = min(max(since, Self.unstableRequests), memory.count / 4 * 3)
        guard changes.load(ordering: .relaxed) < most else { return false }
        let after = unstableBytes.add(Int(length), ordering: .relaxed).newValue
        if after <= Self.unstableLimit { return true }
        unstableBytes.subtract(Int(length), ordering: .relaxed)
        return false
    }

    private func waitForRoom() -> UnsafeMutablePointer<IORequest.Slot> {
        memory.counter(.waitedForRoom).pointee.add(1, ordering: .relaxed)
        starved.add(1, ordering: .sequentiallyConsistent)
        defer { starved.subtract(1, ordering: .relaxed) }
        return room.wait { free.pop(slots) }
    }

    private func count(_ slot: UnsafeMutablePointer<IORequest.Slot>) {
        let bytes = slot.pointee.length
        switch slot.pointee.kind {
        case .read:
            memory.counter(.reads).pointee.add(1, ordering: .relaxed)
            memory.counter(.readBytes).pointee.add(bytes, ordering: .relaxed)
        case .write:
            memory.counter(.writes).pointee.add(1, ordering: .relaxed)
            memory.counter(.writeBytes).pointee.add(bytes, ordering: .relaxed)
        case .flush:
            memory.counter(.flushes).pointee.add(1, ordering: .relaxed)
            writesSinceFlush.store(0, ordering: .relaxed)
        case .zero: memory.counter(.zeroings).pointee.add(1, ordering: .relaxed)
        case .discard: memory.counter(.discards).pointee.add(1, ordering: .relaxed)
        }
    }
}
