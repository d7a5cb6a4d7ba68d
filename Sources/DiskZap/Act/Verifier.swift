internal import BlockDevices
internal import LinuxKernel
internal import Synchronization

/// Reads back what was erased, without caches, and searches for all known marks.
struct Verifier {
    private static let maximumFindings = 16
    /// One thread reads while another checks what was read.
    private static let threads = 2
    private static let chunkBytes: UInt64 = 4 << 20

    let disk: ClaimedDisk
    let progress: ZapProgress

    /// The places that are not zero; empty if everything is erased.
    func leftovers(in extents: [ByteExtent], keeping marker: ByteExtent?) throws -> [String] {
        let places = marker.map { marker in extents.flatMap { $0.without(marker) } } ?? extents
        progress.begin("verifying", total: places.reduce(0) { $0 + $1.length })
        let reading = Reading(disk, progress, places.flatMap { $0.chunks(of: Self.chunkBytes) })
        let workers = (0..<Self.threads).map { _ in { @Sendable in reading.run() } }
        _ = Threads.run(limit: Self.threads, workers)
        return try reading.findings(atMost: Self.maximumFindings)
    }

    /// All marks that are still on the device.
    func signatures() -> [String] {
        guard let contents = disk.contents() else { return ["the device cannot be read back"] }
        return contents.regions.flatMap { region in
            region.signatures.filter { $0.format != "nacre_zap" }.map {
                "\($0.format) at byte \($0.mark.offset) of the \(region.name)"
            }
        }
    }
}

/// Chunks that several threads read back, in order.
private final class Reading: Sendable {
    private struct State {
        var next = 0
        var found: [(chunk: Int, text: String)] = []
        var failure: (any Error)?
    }

    private let disk: ClaimedDisk
    private let progress: ZapProgress
    private let chunks: [ByteExtent]
    private let state = Mutex(State())

    init(_ disk: ClaimedDisk, _ progress: ZapProgress, _ chunks: [ByteExtent]) {
        (self.disk, self.progress, self.chunks) = (disk, progress, chunks)
    }

    /// What was found, in order of places.
    func findings(atMost limit: Int) throws -> [String] {
        let (found, failure) = state.withLock { ($0.found, $0.failure) }
        if let failure { throw failure }
        return found.sorted { $0.chunk < $1.chunk }.prefix(limit).map(\.text)
    }

    func run() {
        let buffer = AlignedBuffer(count: Int(chunks.map(\.length).max() ?? 0))
        while let index = take() {
            do {
                guard !progress.isStopped else { throw Stopped() }
                let texts = try read(chunks[index], buffer)
                progress.advance(chunks[index].length)
                state.withLock { state in state.found += texts.map { (index, $0) } }
            } catch {
                state.withLock { $0.failure = $0.failure ?? error }
            }
        }
    }

    private func take() -> Int? {
        state.withLock { state in
            guard state.failure == nil, state.next < chunks.count else { return nil }
            defer { state.next += 1 }
            return state.next
        }
    }

    private func read(_ chunk: ByteExtent, _ buffer: AlignedBuffer) throws(KernelError) -> [String] {
        let count = try disk.io.descriptor.readBlocks(into: buffer, count: Int(chunk.length), at: chunk.offset)
        guard count == Int(chunk.length) else { return ["byte \(chunk.offset + UInt64(count)) cannot be read back"] }
        return buffer.firstNonZero(count: count).map { ["byte \(chunk.offset + UInt64($0)) is not zero"] } ?? []
    }
}
