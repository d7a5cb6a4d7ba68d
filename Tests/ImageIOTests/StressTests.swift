import CRBD
import Glibc
import LinuxKernel
import Synchronization
import Testing

@testable import ImageIO

/// The engine under threads that run freely; `tools/test races` runs it with ThreadSanitizer, which sees the orderings too.
///
/// There is no lock here, and one word of memory for each handing over, so that what else threads know of each other they know
/// through the engine: the image's bytes are plain memory, and a call on bytes whose last writer the engine did not order
/// before it is a report.
@Suite("Stress", .serialized)
struct StressTests {
    private static let blocks = 6
    private static let blockBytes = 512

    /// Each thread has blocks of its own, which it writes, reads and flushes.
    @Test("Threads read what they wrote, and a flush has it stable", arguments: [1, 4, 512])
    func readsOwnWrites(writesAtOnce: Int) throws {
        let fronts = 4
        let file = try MemoryFile(places: 32)
        let image = QueuedImage(bytes: fronts * Self.blocks * Self.blockBytes, places: 32)
        let engine = ImageIOEngine(
            target: image,
            memory: file.memory,
            acknowledgesEarly: true,
            hasJournal: false,
            writesAtOnce: writesAtOnce
        ) { request in
            Waiter.of(request)?.wake(request)
            request.release()
        }
        let waiters = (0..<fronts).map { _ in Waiter() }
        let cluster = (0..<3).compactMap { _ in startThread(isJoined: true) { image.carryOut() } }
        let threads = waiters.enumerated().compactMap { front, waiter in
            startThread(isJoined: true) { Self.run(front, engine, image, waiter) }
        }
        for thread in threads { pthread_join(thread, nil) }
        while engine.inFlight > 0 { usleep(1000) }
        image.end()
        for thread in cluster { pthread_join(thread, nil) }
        #expect(threads.count == fronts && waiters.allSatisfy { $0.faults == [] })
        #expect(engine.statistics.unstableBytes == 0 && file.sequences.allSatisfy { $0 == 0 })
        #expect(engine.statistics.acknowledgedEarly > 0)
        if writesAtOnce == 1 { #expect(engine.statistics.joinedWrites > 0) }
    }

    private static func run(
        _ front: Int,
        _ engine: ImageIOEngine,
        _ image: QueuedImage,
        _ waiter: Waiter
    ) {
        var random = SystemRandomNumberGenerator()
        var written = [UInt8](repeating: 0, count: blocks)
        func ask(_ kind: IOKind, _ block: Int, durably: Bool = false, byte: UInt8 = 0) {
            let offset = UInt64((front * blocks + block) * blockBytes)
            let length = kind == .flush ? 0 : UInt64(blockBytes)
            let request = engine.take(kind, offset: offset, length: length, owner: waiter.word, tag: 0)
            if kind == .write { memset(request.buffer, CInt(byte), blockBytes) }
            if engine.submit(request, isDurable: durably) == .pending { waiter.wait() }
        }
        for round in 0..<400 {
            let block = Int.random(in: 0..<blocks, using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0...6:
                written[block] = UInt8(truncatingIfNeeded: round | 1)
                ask(.write, block, durably: Int.random(in: 0..<8, using: &random) == 0, byte: written[block])
            case 7...10:
                ask(.read, block)
                if waiter.bytes.contains(where: { $0 != written[block] }) {
                    waiter.faults.append("front \(front) wrote \(written[block]) and read \(Set(waiter.bytes))")
                }
            default:
                ask(.flush, 0)
                let place = front * blocks * blockBytes
                for block in 0..<blocks where image.byte(at: place + block * blockBytes) != written[block] {
                    waiter.faults.append("front \(front) flushed, and block \(block) is not stable")
                }
            }
        }
        ask(.flush, 0)
    }
}

/// Waits for the answer to one request; what its thread found wrong.
///
/// Safe to share: the word hands it to one thread at a time.
private final class Waiter: @unchecked Sendable {
    private let isDone = Atomic<Bool>(false)
    private(set) var bytes: [UInt8] = []
    var faults: [String] = []

    /// For a request's owner.
    var word: UInt { UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()) }

    static func of(_ request: IORequest) -> Waiter? {
        UnsafeRawPointer(bitPattern: request.owner).map { Unmanaged<Waiter>.fromOpaque($0).takeUnretainedValue() }
    }

    func wake(_ request: IORequest) {
        bytes = Array(UnsafeRawBufferPointer(start: request.buffer, count: Int(request.length)))
        isDone.store(true, ordering: .releasing)
    }

    func wait() {
        while !isDone.load(ordering: .acquiring) { sched_yield() }
        isDone.store(false, ordering: .relaxed)
    }
}

/// A cluster's image whose calls are carried out by threads, in any order.
///
/// Safe to share: a place's word hands its call over, and the engine orders calls on the same bytes.
private final class QueuedImage: RequestTarget, @unchecked Sendable {
    private struct Place: ~Copyable {
        let isWaiting = Atomic<Bool>(false)
        var call: Call?
    }

    private struct Call {
        let offset: Int
        let parts: [UnsafeMutableRawBufferPointer]
        let isRead: Bool
        let ended: TargetCompletion
    }

    private let bytes: UnsafeMutableRawBufferPointer
    private let places: UnsafeMutableBufferPointer<Place>
    private let isOver = Atomic<Bool>(false)

    /// - Parameters:
    ///   - bytes: How large it is.
    ///   - places: How many requests the engine has.
    init(bytes: Int, places: Int) {
        self.bytes = .allocate(byteCount: bytes, alignment: 16)
        self.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        self.places = .allocate(capacity: places)
        for index in 0..<places { self.places.initializeElement(at: index, to: Place()) }
    }

    deinit {
        places.deinitialize()
        places.deallocate()
        bytes.deallocate()
    }

    func byte(at place: Int) -> UInt8 { bytes[place] }

    func end() { isOver.store(true, ordering: .releasing) }

    func begin(_ call: TargetCall, _ completion: TargetCompletion) -> CInt {
        func part(_ start: UnsafeMutableRawPointer?, _ count: Int) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(start: start, count: count)
        }
        func queue(_ offset: UInt64, _ parts: [UnsafeMutableRawBufferPointer], isRead: Bool) -> CInt {
            let index = completion.slot.pointee.index
            places[index].call = Call(offset: Int(offset), parts: parts, isRead: isRead, ended: completion)
            places[index].isWaiting.store(true, ordering: .releasing)
            return 0
        }
        switch call {
        case .read(let offset, let length, let buffer): return queue(offset, [part(buffer, length)], isRead: true)
        case .write(let offset, let length, let buffer): return queue(offset, [part(buffer, length)], isRead: false)
        case .writeJoined(let offset, let list):
            return queue(offset, list.map { part($0.iov_base, $0.iov_len) }, isRead: false)
        case .flush, .zero, .discard: return -EOPNOTSUPP
        }
    }

    /// Carries out one call after the other until `end`.
    func carryOut() {
        while !isOver.load(ordering: .acquiring) {
            let first = Int.random(in: places.indices)
            var hasFound = false
            for step in places.indices {
                let index = (first + step) % places.count
                let taken = places[index].isWaiting.compareExchange(
                    expected: true,
                    desired: false,
                    ordering: .acquiring
                )
                guard taken.exchanged, let call = places[index].call else { continue }
                carryOut(call)
                call.ended(call.isRead ? call.parts.reduce(0) { $0 + $1.count } : 0)
                hasFound = true
                break
            }
            if !hasFound { sched_yield() }
        }
    }

    private func carryOut(_ call: Call) {
        var place = call.offset
        for part in call.parts {
            let here = UnsafeMutableRawBufferPointer(rebasing: bytes[place..<place + part.count])
            if call.isRead {
                part.copyMemory(from: UnsafeRawBufferPointer(here))
            } else {
                here.copyMemory(from: UnsafeRawBufferPointer(part))
            }
            place += part.count
        }
    }
}
