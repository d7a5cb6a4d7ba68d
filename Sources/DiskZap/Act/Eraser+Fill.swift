internal import BlockDevices
internal import LinuxKernel

/// How places are overwritten.
extension Eraser {
    func write(_ pieces: [ByteExtent], _ content: () throws(KernelError) -> AlignedBuffer) throws {
        for piece in pieces {
            for chunk in piece.chunks(of: UInt64(Self.chunkBytes)) {
                guard !progress.isStopped else { throw Stopped() }
                try disk.io.descriptor.writeBlocks(from: try content(), count: Int(chunk.length), at: chunk.offset)
                progress.advance(chunk.length)
            }
        }
    }

    func writeNoise(_ unit: ByteExtent) throws {
        let noise = AlignedBuffer(count: Self.chunkBytes)
        try write([unit]) { () throws(KernelError) in
            try noise.fillRandomly()
            return noise
        }
    }

    /// Lets the device make the zeros if it has a fast command for that; writes them otherwise.
    ///
    /// The device's answer is not trusted: everything is read back. On some disks the command is slower than writing,
    /// so the first chunk is small, and its time is measured.
    func zero(_ unit: ByteExtent, _ offload: inout Offload) throws {
        let slowest = Duration.milliseconds(250)
        var rest = unit
        while rest.length > 0 {
            guard !progress.isStopped else { throw Stopped() }
            let chunk = ByteExtent(offset: rest.offset, length: min(rest.length, offload.was ? 256 << 20 : 8 << 20))
            // One write is faster than a separate command.
            guard offload.isOn, chunk.length > UInt64(Self.chunkBytes) / 4 else {
                try write([chunk]) { zeros }
                rest = ByteExtent(offset: chunk.end, length: rest.end - chunk.end)
                continue
            }
            let begin = ContinuousClock.now
            do throws(KernelError) {
                try disk.io.zeroOut(offset: chunk.offset, length: chunk.length)
                offload.isOn = offload.was || .now - begin < slowest
                offload.was = true
                progress.advance(chunk.length)
            } catch {
                offload.isOn = false
                continue
            }
            rest = ByteExtent(offset: chunk.end, length: rest.end - chunk.end)
        }
    }

    func discard() throws -> UInt64 {
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
