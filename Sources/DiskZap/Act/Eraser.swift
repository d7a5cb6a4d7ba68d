internal import BlockDevices
internal import LinuxKernel

/// Somebody asked to stop.
struct Stopped: Error {}

/// What was erased.
struct Erased {
    /// How many bytes were written, discarded or zeroed by the device.
    let bytes: UInt64
    /// Whether the device made zeros on its own word.
    let isOffloaded: Bool
}

/// Erases the ranges of a plan, so that after a kill at any moment the next run can finish.
///
/// 1. The marker, which lists what is to be erased. It is on the medium before anything else is changed.
/// 2. All ranges, from the end of the device to the beginning; the first bytes, which identify the content, last.
/// 3. When everything was verified: the marker.
struct Eraser {
    static let chunkBytes = 4 << 20
    /// The first part of the device, erased last.
    static let firstBytes: UInt64 = 4096

    let disk: ClaimedDisk
    let plan: ZapPlan
    let progress: ZapProgress
    let marker: ByteExtent?
    private let zeros = AlignedBuffer(count: Self.chunkBytes)

    init(_ disk: ClaimedDisk, _ plan: ZapPlan, _ progress: ZapProgress) {
        self.disk = disk
        self.plan = plan
        self.progress = progress
        let place = ZapMarkerRecord.place(onDeviceOf: plan.identity.sizeBytes)
        // A marker stands only where it is erased again.
        marker = place.flatMap { place in plan.ranges.contains { $0.intersection(place) == place } ? place : nil }
    }

    /// Puts the marker on the medium.
    func writeMarker() throws(KernelError) {
        let record = ZapMarkerRecord(
            sizeBytes: plan.identity.sizeBytes,
            ranges: plan.ranges,
            clusters: plan.clusters,
            parts: plan.parts
        )
        guard let marker, let block = record.block else { return }
        let buffer = AlignedBuffer(count: block.count)
        buffer.replace(with: block)
        try disk.io.descriptor.writeBlocks(from: buffer, count: block.count, at: marker.offset)
        try disk.io.synchronize()
    }

    /// The ranges without the marker, in the order in which they are erased.
    var pieces: [ByteExtent] {
        let last = ByteExtent(offset: 0, length: Self.firstBytes)
        let kept = [last] + [marker].compactMap(\.self)
        let rest = kept.reduce(plan.ranges) { ranges, hole in ranges.flatMap { $0.without(hole) } }
        let first = plan.ranges.compactMap { $0.intersection(last) }
        return rest.sorted(by: >) + first
    }

    /// Erases all but the marker.
    func run() throws -> Erased {
        let pieces = pieces
        let bytes = pieces.reduce(0) { $0 + $1.length }
        var discarded: UInt64 = 0
        switch plan.method {
        case .signatures, .zero: break
        case .discard: discarded = try discard()
        case .shred(let passes):
            progress.begin("erasing", total: bytes * UInt64(passes + 1))
            let noise = AlignedBuffer(count: Self.chunkBytes)
            for _ in 0..<passes {
                try write(pieces) { () throws(KernelError) in
                    try noise.fillRandomly()
                    return noise
                }
                try disk.io.synchronize()
            }
            try write(pieces) { zeros }
            try disk.io.synchronize()
            return Erased(bytes: bytes * UInt64(passes + 1), isOffloaded: false)
        }
        progress.begin("erasing", total: bytes)
        let isOffloaded = try zero(pieces)
        try disk.io.synchronize()
        return Erased(bytes: discarded + bytes, isOffloaded: isOffloaded)
    }

    /// Writes all zeros itself, for a device that reported zeros that it had not made.
    func rewrite() throws -> UInt64 {
        let pieces = pieces
        let bytes = pieces.reduce(0) { $0 + $1.length }
        progress.begin("erasing", total: bytes)
        try write(pieces) { zeros }
        try disk.io.synchronize()
        return bytes
    }

    /// Erases the marker, when no mark is left.
    func eraseMarker() throws(KernelError) {
        guard let marker else { return }
        try disk.io.descriptor.writeBlocks(from: zeros, count: Int(marker.length), at: marker.offset)
        try disk.io.synchronize()
    }

    private func write(_ pieces: [ByteExtent], _ content: () throws(KernelError) -> AlignedBuffer) throws {
        for piece in pieces {
            for chunk in piece.chunks(of: UInt64(Self.chunkBytes)) {
                guard !progress.isStopped else { throw Stopped() }
                try disk.io.descriptor.writeBlocks(from: try content(), count: Int(chunk.length), at: chunk.offset)
                progress.advance(chunk.length)
            }
        }
    }

    /// Lets the device make the zeros if it has a fast command for that; writes them otherwise.
    ///
    /// The device's answer is not trusted: everything is read back. On some disks the command is slower than writing,
    /// so the first chunk is small, and its time is measured.
    ///
    /// - Returns: Whether the device made any of them.
    private func zero(_ pieces: [ByteExtent]) throws -> Bool {
        let slowest = Duration.milliseconds(250)
        var isOffloaded = plan.inspection.node.queue.writeZeroesMaxBytes > 0
        var wasOffloaded = false
        for piece in pieces {
            var rest = piece
            while rest.length > 0 {
                guard !progress.isStopped else { throw Stopped() }
                let unit: UInt64 = wasOffloaded ? 256 << 20 : 8 << 20
                let chunk = ByteExtent(offset: rest.offset, length: min(rest.length, unit))
                // One write is faster than a separate command.
                guard isOffloaded, chunk.length > UInt64(Self.chunkBytes) / 4 else {
                    try write([chunk]) { zeros }
                    rest = ByteExtent(offset: chunk.end, length: rest.end - chunk.end)
                    continue
                }
                let begin = ContinuousClock.now
                do throws(KernelError) {
                    try disk.io.zeroOut(offset: chunk.offset, length: chunk.length)
                    isOffloaded = wasOffloaded || .now - begin < slowest
                    wasOffloaded = true
                    progress.advance(chunk.length)
                } catch {
                    isOffloaded = false
                    continue
                }
                rest = ByteExtent(offset: chunk.end, length: rest.end - chunk.end)
            }
        }
        return wasOffloaded
    }

    private func discard() throws -> UInt64 {
        let whole = ByteExtent(offset: 0, length: plan.identity.sizeBytes)
        let pieces = marker.map { whole.without($0) } ?? [whole]
        let bytes = pieces.reduce(0) { $0 + $1.length }
        progress.begin("discarding", total: bytes)
        for chunk in pieces.sorted(by: >).flatMap({ $0.chunks(of: 1 << 30) }) {
            guard !progress.isStopped else { throw Stopped() }
            try disk.io.discard(offset: chunk.offset, length: chunk.length)
            progress.advance(chunk.length)
        }
        return bytes
    }
}

extension ByteExtent {
    /// What is left of this when `hole` is taken out.
    func without(_ hole: ByteExtent) -> [ByteExtent] {
        guard let common = intersection(hole) else { return [self] }
        let before = ByteExtent(offset: offset, length: common.offset - offset)
        let after = ByteExtent(offset: common.end, length: end - common.end)
        return [before, after].filter { $0.length > 0 }
    }

    /// Pieces of at most `length` bytes, in order.
    func chunks(of length: UInt64) -> [ByteExtent] {
        stride(from: offset, to: end, by: Int(length)).map { ByteExtent(offset: $0, length: min(length, end - $0)) }
    }
}
