internal import BlockDevices
internal import LinuxKernel

/// Reads back what was erased, past all caches, and looks for everything that we know.
struct Verifier {
    private static let maximumFindings = 16
    let disk: ClaimedDisk
    let progress: ZapProgress

    /// What is still there; nothing when the device is clean.
    func findings(in extents: [ByteExtent], keeping marker: ByteExtent?) throws -> [String] {
        let places = marker.map { marker in extents.flatMap { $0.without(marker) } } ?? extents
        progress.begin("verifying", total: places.reduce(0) { $0 + $1.length })
        let buffer = AlignedBuffer(count: Eraser.chunkBytes)
        var found: [String] = []
        for chunk in places.flatMap({ $0.chunks(of: UInt64(Eraser.chunkBytes)) }) {
            guard !progress.isStopped else { throw Stopped() }
            let count = try disk.io.descriptor.readBlocks(into: buffer, count: Int(chunk.length), at: chunk.offset)
            if count < Int(chunk.length) { found.append("byte \(chunk.offset + UInt64(count)) cannot be read back") }
            if let offset = buffer.firstNonZero(count: count) {
                found.append("byte \(chunk.offset + UInt64(offset)) is not zero")
            }
            progress.advance(chunk.length)
            if found.count >= Self.maximumFindings { return found }
        }
        return found + signatures()
    }

    private func signatures() -> [String] {
        guard let contents = disk.contents() else { return ["the device cannot be read back"] }
        return contents.regions.flatMap { region in
            region.signatures.filter { $0.format != "nacre_zap" }.map {
                "\($0.format) at byte \($0.mark.offset) of the \(region.name)"
            }
        }
    }
}
