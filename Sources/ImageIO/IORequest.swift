internal import Synchronization

/// What a request asks for.
package enum IOKind: UInt8, Sendable {
    /// Bytes out of the image.
    case read
    /// Bytes into the image.
    case write
    /// All acknowledged writes on stable storage.
    case flush
    /// A range that reads as zeros afterwards; objects that it covers completely are removed.
    case zero
    /// A range that is not needed any more.
    case discard
}

/// A request and its buffer; the caller owns them from `take` to `release`.
///
/// Safe to send: only its present owner uses its slot. It passes from the front to librbd's thread and back.
package struct IORequest: @unchecked Sendable {
    struct Slot: ~Copyable {
        let engine: Unmanaged<ImageIOEngine>
        let index: Int
        let buffer: UnsafeMutableRawPointer
        var kind = IOKind.flush
        var isAcknowledged = false
        var isCounted = false
        var offset: UInt64 = 0
        var length: UInt64 = 0
        var sequence: UInt64 = 0
        var owner: UInt = 0
        var tag: UInt64 = 0
        var result = 0
        /// The next write that is sent to the cluster with this one; an index + 1, or 0.
        var joined: UInt32 = 0
        /// The next request in the same list; an index + 1, or 0.
        let next = StepAtomic<UInt32>(0)
        /// The first request that waits for this one: the low half of this one's sequence number, and an index + 1.
        let waiting = StepAtomic<UInt64>(WaitList.closed)
    }

    let slot: UnsafeMutablePointer<Slot>

    /// What is asked for.
    package var kind: IOKind { slot.pointee.kind }
    /// Where in the image.
    package var offset: UInt64 { slot.pointee.offset }
    /// How many bytes.
    package var length: UInt64 { slot.pointee.length }
    /// What it reads or writes, from its first byte.
    package var buffer: UnsafeMutableRawPointer { slot.pointee.buffer }
    /// What the front gave to know it by.
    package var owner: UInt { slot.pointee.owner }
    /// What the front gave to know it by.
    package var tag: UInt64 { slot.pointee.tag }
    /// Bytes read, 0, or a negative errno.
    package var result: Int { slot.pointee.result }
    /// Its place in the engine's table.
    package var index: Int { slot.pointee.index }

    /// Gives it back to its engine.
    package func release() { slot.pointee.engine._withUnsafeGuaranteedRef { $0.release(self) } }

    /// A link for a list of the front's: an index + 1, or 0.
    package var next: UInt32 {
        get { slot.pointee.next.load(ordering: .relaxed) }
        nonmutating set { slot.pointee.next.store(newValue, ordering: .relaxed) }
    }
}

/// The words of a list of waiting requests.
enum WaitList {
    /// Nobody can wait here: the request has ended.
    static let closed: UInt64 = 0xFFFF_FFFF

    /// The empty list of waiting requests of the request with this sequence number.
    static func empty(_ sequence: UInt64) -> UInt64 { (sequence & 0xFFFF_FFFF) << 32 }

    static func isClosed(_ word: UInt64) -> Bool { word & 0xFFFF_FFFF == closed }
    static func belongs(_ word: UInt64, to sequence: UInt64) -> Bool { word >> 32 == sequence & 0xFFFF_FFFF }
    static func first(_ word: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: word) }
    static func adding(_ index: Int, to word: UInt64) -> UInt64 { word & ~0xFFFF_FFFF | UInt64(index + 1) }
}

/// A stack of free requests that threads take from and give to without a lock.
///
/// The word's upper half counts the changes, so that a head that was removed and added again is not taken for
/// unchanged.
struct FreeStack: ~Copyable {
    private let head = StepAtomic<UInt64>(0)

    func push(_ slot: UnsafeMutablePointer<IORequest.Slot>) {
        var word = head.load(ordering: .relaxed)
        while true {
            slot.pointee.next.store(UInt32(truncatingIfNeeded: word), ordering: .relaxed)
            let wanted = ((word >> 32) &+ 1) << 32 | UInt64(slot.pointee.index + 1)
            // Sequentially consistent: `take` registers that it waits, then looks once more.
            let outcome = head.weakCompareExchange(expected: word, desired: wanted, ordering: .sequentiallyConsistent)
            if outcome.exchanged { return }
            word = outcome.original
        }
    }

    func pop(
        _ slots: UnsafeMutablePointer<IORequest.Slot>
    ) -> UnsafeMutablePointer<IORequest.Slot>? {
        var word = head.load(ordering: .sequentiallyConsistent)
        while true {
            let index = Int(UInt32(truncatingIfNeeded: word))
            guard index != 0 else { return nil }
            let slot = slots + (index - 1)
            let wanted = ((word >> 32) &+ 1) << 32 | UInt64(slot.pointee.next.load(ordering: .relaxed))
            let outcome = head.weakCompareExchange(expected: word, desired: wanted, ordering: .sequentiallyConsistent)
            if outcome.exchanged { return slot }
            word = outcome.original
        }
    }
}
