import Glibc
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Synchronization
import Testing
import Volumes

extension NodeTests {
    /// NACRE_TORTURE_ROUNDS, for a long run; tools/test has few.
    private static var rounds: Int { getenv("NACRE_TORTURE_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 8 }

    /// Two nodes compete for one block volume.
    ///
    /// Each round one of them writes, every block with its own number and checksum
    /// and a flush behind it, until something befalls its server; the other takes the volume, must find every block
    /// that was flushed and none that is torn, and writes itself; what the first one sends late must not arrive.
    @Test("Two nodes take a volume from each other, and no flushed write is lost or torn")
    func torture() async throws {
        let pair = try await NodePair(
            "torture",
            .exclusiveLock,
            megabytes: (BlockLedger.blocks * BlockLedger.blockBytes) >> 20
        )
        var ledger = BlockLedger()
        var labs = [pair.first, pair.second]
        var tally: [Befalling: Int] = [:]
        var random = SystemRandomNumberGenerator()
        try await labs[0].service().stage(labs[0].stageRequest("torture", fsType: nil), deadline: soon)
        for round in 1...Self.rounds {
            let befalling = Befalling.allCases.randomElement(using: &random) ?? .freeze
            tally[befalling, default: 0] += 1
            let (owner, taker) = (labs[0], labs[1])
            let writer = BlockWriter(path: "\(owner.stagingPath("torture"))/device", ledger: ledger, round: round)
            let writing = Task { await writer.run() }
            try await Task.sleep(for: .milliseconds(Int.random(in: 20...300)))
            if befalling == .orderly {
                writer.stop()
                ledger = await writing.value.ledger
                try await owner.run("down", "torture", nil, observer: nil)
            } else {
                try owner.signalServers(befalling == .kill ? SIGKILL : SIGSTOP)
                let refusal = try await pair.refusal(of: taker, fsType: nil)
                #expect(refusal.contains(owner.nodeID), "round \(round): \(refusal)")
                _ = try await pair.nacre("node fence \(owner.nodeID) --yes")
            }
            try await taker.service().stage(taker.stageRequest("torture", fsType: nil), deadline: soon)
            let device = "\(taker.stagingPath("torture"))/device"
            // Flushed writes are there. A write in progress is there or not, but never torn.
            ledger = writer.snapshot
            let complaints = ledger.complaints(reading: device)
            #expect(complaints.isEmpty, "round \(round), \(befalling): \(complaints)")
            ledger.settle(reading: device)

            let second = BlockWriter(path: device, ledger: ledger, round: round, limit: 40)
            let outcome = await second.run()
            #expect(outcome.error == nil, "round \(round): the new owner cannot write: \(outcome.error ?? 0)")
            ledger = outcome.ledger
            if befalling == .freeze {
                try owner.signalServers(SIGCONT)
                let late = await writing.value
                #expect(late.error != nil, "round \(round): a late write was taken")
            } else if befalling == .kill {
                _ = await writing.value
            }
            try await owner.run("down", "torture", nil, observer: nil)
            // Read again without the new owner's cache: late writes of the old owner would show.
            try await taker.run("down", "torture", nil, observer: nil)
            try await taker.service().stage(taker.stageRequest("torture", fsType: nil), deadline: soon)
            let after = ledger.complaints(reading: device)
            #expect(after.isEmpty, "round \(round), \(befalling), read anew: \(after)")
            labs.reverse()
            guard complaints.isEmpty, after.isEmpty else { break }
        }
        print("torture: \(Self.rounds) rounds, \(ledger.written) flushed writes, \(tally)")
        try await pair.end(fsType: nil)
    }

    private enum Befalling: CaseIterable {
        case kill
        case freeze
        case orderly
    }
}

// From <fcntl.h>, which the C library's module leaves out.
#if arch(arm64)
    private let O_DIRECT: CInt = 0o200000
#else
    private let O_DIRECT: CInt = 0o40000
#endif

/// The required and permitted content of every block of the volume.
private struct BlockLedger: Sendable {
    static let blocks = 512
    static let blockBytes = 16 << 10

    /// The number of the last write to a block that was flushed.
    var flushed = [UInt64](repeating: 0, count: blocks)
    /// The write in progress, if any.
    var pending: (block: Int, number: UInt64)?
    var written = 0

    /// A block's content: its number, then words computed from it, so that a torn block is detected.
    static func fill(_ buffer: UnsafeMutableRawBufferPointer, _ block: Int, _ number: UInt64) {
        let words = buffer.bindMemory(to: UInt64.self)
        for index in words.indices { words[index] = number == 0 ? 0 : word(block, number, index) }
    }

    static func word(_ block: Int, _ number: UInt64, _ index: Int) -> UInt64 {
        guard index > 0 else { return number }
        // splitmix64
        var mixed = (number &* 0x9E37_79B9_7F4A_7C15) ^ UInt64(block) << 32 ^ UInt64(index)
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// The faults of the volume.
    func complaints(reading path: String) -> [String] {
        var complaints: [String] = []
        let isRead = Self.read(path) { block, words in
            let number = words[0]
            let isPending = pending.map { $0.block == block && $0.number == number } ?? false
            if number != flushed[block], !isPending {
                complaints.append("block \(block) has write \(number), not \(flushed[block])")
            } else if !words.indices.allSatisfy({
                number == 0 ? words[$0] == 0 : words[$0] == Self.word(block, number, $0)
            }) {
                complaints.append("block \(block) is torn")
            }
        }
        return isRead ? complaints : complaints + ["the device cannot be read"]
    }

    /// The result of the write in progress becomes the expected content.
    mutating func settle(reading path: String) {
        guard let pending else { return }
        var found: UInt64 = 0
        _ = Self.read(path) { block, words in if block == pending.block { found = words[0] } }
        flushed[pending.block] = found
        self.pending = nil
    }

    private static func read(_ path: String, _ body: (Int, UnsafeMutableBufferPointer<UInt64>) -> Void) -> Bool {
        let file = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: blockBytes, alignment: 4096)
        defer { buffer.deallocate() }
        for block in 0..<blocks {
            guard pread(file, buffer.baseAddress, blockBytes, off_t(block * blockBytes)) == blockBytes else {
                return false
            }
            body(block, buffer.bindMemory(to: UInt64.self))
        }
        return true
    }
}

/// Writes blocks, each flushed before the next, on a thread of its own until it is stopped or fails.
private final class BlockWriter: Sendable {
    struct Outcome: Sendable {
        let ledger: BlockLedger
        /// The errno that ended it; `nil` if it was stopped.
        let error: CInt?
    }

    private let path: String
    private let round: Int
    private let limit: Int
    private let state: Mutex<BlockLedger>
    private let isStopped = Atomic(false)

    init(path: String, ledger: BlockLedger, round: Int, limit: Int = .max) {
        self.path = path
        self.round = round
        self.limit = limit
        state = Mutex(ledger)
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// The current ledger, while a write hangs.
    var snapshot: BlockLedger { state.withLock { $0 } }

    func run() async -> Outcome {
        await withCheckedContinuation { continuation in
            let work = Unmanaged.passRetained(Work { continuation.resume(returning: self.write()) })
            var thread = pthread_t()
            pthread_create(
                &thread,
                nil,
                { context in
                    guard let context else { return nil }
                    Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
                    return nil
                },
                work.toOpaque()
            )
            pthread_detach(thread)
        }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private func write() -> Outcome {
        let file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC)
        guard file >= 0 else { return Outcome(ledger: snapshot, error: errno) }
        defer { close(file) }
        let size = BlockLedger.blockBytes
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 4096)
        defer { buffer.deallocate() }
        for sequence in 0..<limit where !isStopped.load(ordering: .relaxed) {
            let block = Int.random(in: 0..<BlockLedger.blocks)
            let number = state.withLock { ledger -> UInt64 in
                ledger.written += 1
                let number = UInt64(round) << 40 | UInt64(limit == .max ? 0 : 1) << 32 | UInt64(sequence + 1)
                ledger.pending = (block, number)
                return number
            }
            BlockLedger.fill(buffer, block, number)
            guard pwrite(file, buffer.baseAddress, size, off_t(block * size)) == size, fdatasync(file) == 0 else {
                return Outcome(ledger: snapshot, error: errno)
            }
            state.withLock { ledger in
                ledger.flushed[block] = number
                ledger.pending = nil
            }
            if isStopped.load(ordering: .relaxed) { break }
        }
        return Outcome(ledger: snapshot, error: nil)
    }
}
