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
    /// Whether an earlier zap had done a part of it, which is not in `bytes`.
    let isResumed: Bool
}

/// Erases the ranges of a plan, so that after a kill at any moment the next run can finish.
///
/// 1. The marker, which lists what is to be erased. It is on the medium before anything else is changed.
/// 2. All ranges, from the end of the device to the beginning; the first bytes, which identify the content, last. Where
///    that is the whole device, also how far it got.
/// 3. When everything was verified: the marker.
struct Eraser {
    static let chunkBytes = 4 << 20
    /// After so much of a whole device it is written down how far it got: some seconds of a hard disk's work.
    static let unitBytes: UInt64 = 1 << 30
    /// The first part of the device, erased last.
    static let firstBytes: UInt64 = 4096

    let disk: ClaimedDisk
    let plan: ZapPlan
    let progress: ZapProgress
    /// What the bytes were when it began by which the disk's parts are judged.
    let sums: BlockSums
    let marker: ByteExtent?
    let zeros = AlignedBuffer(count: Self.chunkBytes)

    init(_ disk: ClaimedDisk, _ plan: ZapPlan, _ progress: ZapProgress, sums: BlockSums) {
        self.disk = disk
        self.sums = sums
        self.plan = plan
        self.progress = progress
        let place = ZapMarkerRecord.place(onDeviceOf: plan.identity.sizeBytes)
        // A marker stands only where it is erased again.
        marker = place.flatMap { place in plan.ranges.contains { $0.intersection(place) == place } ? place : nil }
    }

    /// Puts the marker on the medium.
    ///
    /// One that goes on after a kill keeps how far the overwriting got.
    func writeMarker() throws(KernelError) { try writeMarker(isKept: plan.isResumed, hasNoise: plan.hasNoise) }

    /// Where `noise first` has no room any more the marker stays as it is: then a kill has the next zap ask for `unknown`.
    private func writeMarker(isKept: Bool, hasNoise: Bool) throws(KernelError) {
        guard let marker, let block = record(hasNoise: hasNoise).block else { return }
        let buffer = AlignedBuffer(count: block.count)
        buffer.replace(with: block)
        let isKept = isKept && checkpoint != nil
        let count = block.count - (isKept ? ZapCheckpoint.bytes : 0)
        try disk.io.descriptor.writeBlocks(from: buffer, count: count, at: marker.offset)
        try disk.io.synchronize()
    }

    private func record(hasNoise: Bool) -> ZapMarkerRecord {
        ZapMarkerRecord(
            sizeBytes: plan.identity.sizeBytes,
            ranges: plan.ranges,
            clusters: plan.clusters,
            parts: plan.parts,
            hasNoise: hasNoise,
            isShredded: plan.hasNoiseAnywhere || plan.method.fills.contains(.noise),
            disk: ZapMarkerRecord.fingerprint(of: plan.identity),
            sums: sums
        )
    }

    /// Where is written how far it got; only where that takes long, and where the marker leaves room for it.
    private var checkpoint: ByteExtent? {
        guard let marker, plan.method.isOfWholeDevice, let block = record(hasNoise: true).block else { return nil }
        let isFree = block.suffix(ZapCheckpoint.bytes).allSatisfy { $0 == 0 }
        return isFree ? ZapCheckpoint.place(in: marker) : nil
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
    ///
    /// Goes on where a zap by the same method was killed; what that has done is read back with the rest.
    func run() throws -> Erased {
        let units = pieces.flatMap { $0.chunks(of: Self.unitBytes) }
        let bytes = units.reduce(0) { $0 + $1.length }
        let fills = plan.method.fills
        var discarded: UInt64 = 0
        if case .discard = plan.method { discarded = try discard() }
        let checkpoint = checkpoint
        let begun =
            try checkpoint.flatMap { try progressSoFar(at: $0, units: units.count) }
            ?? ZapCheckpoint(method: plan.method.name)
        let done = UInt64(begun.passes) * bytes + units.prefix(begun.units).reduce(0) { $0 + $1.length }
        progress.begin("erasing", total: bytes * UInt64(fills.count), done: done)
        var offload = Offload(isOn: plan.inspection.node.queue.writeZeroesMaxBytes > 0)
        var hasNoise = plan.hasNoise
        for (pass, fill) in fills.enumerated() where pass >= begun.passes {
            let first = pass == begun.passes ? begun.units : 0
            for (number, unit) in units.enumerated() where number >= first {
                switch fill {
                case .noise:
                    // The last unit is the first bytes; the next zap has to know that what it finds there is nobody's.
                    if number + 1 == units.count, !hasNoise {
                        try writeMarker(isKept: true, hasNoise: true)
                        hasNoise = true
                    }
                    try writeNoise(unit)
                case .zeros: try write([unit]) { zeros }
                case .fastZeros: try zero(unit, &offload)
                }
                guard let checkpoint, number + 1 < units.count else { continue }
                try note(ZapCheckpoint(method: plan.method.name, passes: pass, units: number + 1), at: checkpoint)
            }
            try disk.io.synchronize()
            // The first bytes are zeros again, if not only on the device's word: what is found there is somebody's.
            if hasNoise, fill != .noise, !offload.was {
                try writeMarker(isKept: true, hasNoise: false)
                hasNoise = false
            }
            guard let checkpoint else { continue }
            try note(ZapCheckpoint(method: plan.method.name, passes: pass + 1), at: checkpoint)
        }
        return Erased(
            bytes: discarded + bytes * UInt64(fills.count) - done,
            // What was done before the kill may have been done so, too.
            isOffloaded: offload.was || done > 0 && fills.last == .fastZeros,
            isResumed: done > 0
        )
    }

    /// Has the next zap begin at the beginning: something was found where zeros had been written.
    func forgetProgress() throws(KernelError) {
        guard let checkpoint else { return }
        try disk.io.descriptor.writeBlocks(from: zeros, count: ZapCheckpoint.bytes, at: checkpoint.offset)
        try disk.io.synchronize()
    }

    /// How far the zap by this method got that was killed; `nil` if there was none, or a mark says that the disk was used
    /// since.
    ///
    /// In the first pass, the marks may be those that it has not come to: then nothing tells that the disk was used since.
    /// What was done is read back in any case.
    private func progressSoFar(at place: ByteExtent, units: Int) throws(KernelError) -> ZapCheckpoint? {
        guard plan.isResumed, let device = plan.inspection.contents?.regions.first else { return nil }
        let buffer = AlignedBuffer(count: ZapCheckpoint.bytes)
        let count = try disk.io.descriptor.readBlocks(into: buffer, count: ZapCheckpoint.bytes, at: place.offset)
        guard count == ZapCheckpoint.bytes, let found = ZapCheckpoint(block: buffer.copy(0..<count)),
            found.method == plan.method.name, found.isPossible(fills: plan.method.fills.count, units: units)
        else { return nil }
        // A pass leaves no mark but the marker: with any other, somebody has used the disk since.
        let isAsLeft = device.owners.isEmpty && device.signatures.allSatisfy { $0.format == "nacre_zap" }
        return found.passes == 0 || isAsLeft ? found : nil
    }

    /// Writes down how far it got, when all of that is on the medium.
    private func note(_ checkpoint: ZapCheckpoint, at place: ByteExtent) throws(KernelError) {
        try disk.io.synchronize()
        let buffer = AlignedBuffer(count: ZapCheckpoint.bytes)
        buffer.replace(with: checkpoint.block)
        try disk.io.descriptor.writeBlocks(from: buffer, count: ZapCheckpoint.bytes, at: place.offset)
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
        // With how far it got, in one write: a kill between two would have all passes done once more. A power failure may
        // tear it and leave how far it got, without a marker; then the next zap asks for `unknown`.
        try disk.io.descriptor.writeBlocks(from: zeros, count: Int(marker.length), at: marker.offset)
        try disk.io.synchronize()
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
