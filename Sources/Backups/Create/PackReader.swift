internal import CephVolumes
internal import ExactText
internal import RBD
internal import SystemPackage
internal import Volumes

/// Reads what a plan says, and stores it; what was stored before is not read again.
struct PackReader: Sendable {
    let store: BackupStore
    let image: ImageAccess
    let keys: BackupKeys
    let plan: BackupPlan
    let progress: BackupProgress

    /// So many chunks are read, packed and written at once.
    private static let width = 8
    /// So many of them if they are gathered of many small parts, for which the OSDs have to be asked one by one.
    private static let widthOfSmallParts = 20
    private static let manyParts = 64

    private struct Packed: Sendable {
        var pieces: [BlockMap.Piece]
        var readBytes: UInt64
        var object: [UInt8]
    }

    /// What a run came to.
    struct Outcome: Sendable {
        /// What was stored, in the order of the plan's packs.
        var stored: [StoredPack]
        /// How many chunks lay there damaged, and were written anew.
        var mended: Int
    }

    /// Stores all parts.
    ///
    /// What an earlier run has stored counts by the chunk's name at first, and is checked when all else is stored: a run that
    /// is interrupted, and be it each time, has come further.
    ///
    /// - Parameter lock: It is looked at before each part.
    /// - Returns: What it came to.
    /// - Throws: `VolumeError`; a repetition goes on.
    func run(checking lock: any DestinationLock) async throws(VolumeError) -> Outcome {
        let packs = plan.packs
        progress.enter("looking for what was stored before")
        let chunks = ChunkWriter(store, keys, there: try await store.chunks(keys))
        var stored = try await marks(packs.count, chunks)
        let before = packs.indices.filter { stored[$0]?.isChecked == false }
        progress.enter("reading", total: plan.bytesToRead)
        for pack in stored.compactMap(\.self) { progress.add(pack.readBytes) }
        for (index, pack) in try await read(packs.indices.filter { stored[$0] == nil }, of: packs, chunks, lock) {
            stored[index] = pack
        }
        let damaged = try await damaged(among: before, stored, chunks, lock)
        if !damaged.isEmpty {
            let bytes = damaged.reduce(0) { $0 + (stored[$1]?.readBytes ?? 0) }
            progress.enter("reading again what is damaged there", total: bytes)
            for (index, pack) in try await read(damaged, of: packs, chunks, lock) { stored[index] = pack }
        }
        return Outcome(stored: stored.compactMap(\.self), mended: chunks.mended)
    }

    /// Reads some packs of the snapshot, and stores them.
    private func read(
        _ wanted: [Int],
        of packs: [[Range<UInt64>]],
        _ chunks: ChunkWriter,
        _ lock: any DestinationLock
    ) async throws(VolumeError) -> [(index: Int, pack: StoredPack)] {
        guard !wanted.isEmpty else { return [] }
        let width = packs.contains { $0.count > Self.manyParts } ? Self.widthOfSmallParts : Self.width
        let source = try await image.blocking("open image") { [plan] (context) throws(RBDError) in
            let snapshot = BackupSnapshot.name(of: plan.backup)
            return try Image.open(id: plan.imageID, at: snapshot, in: context, access: .readOnly)
        }
        let outcome: Result<[StoredPack], VolumeError>
        do throws(VolumeError) {
            outcome = .success(
                try await atOnce(wanted, width: width) { (index) async throws(VolumeError) in
                    try await lock.check()
                    return try await keep(packs[index], index, of: source, chunks)
                }
            )
        } catch {
            outcome = .failure(error)
        }
        // Closing waits for the cluster.
        _ = try? await image.blocking("close image") { (_) throws(RBDError) in source.close() }
        return zip(wanted, try outcome.get()).map { (index: $0, pack: $1) }
    }

    /// What earlier runs have stored, as far as there are chunks of those names.
    private func marks(_ count: Int, _ chunks: ChunkWriter) async throws(VolumeError) -> [StoredPack?] {
        var stored = [StoredPack?](repeating: nil, count: count)
        let prefix = "\(keys.partials)\(plan.backup)/"
        let destination = store.destination
        let indices = try await destination.keys(below: prefix).compactMap { key in
            key.behind(prefix).flatMap { Int($0) }
        }
        .filter { (0..<count).contains($0) }
        let found = try await atOnce(indices, width: 8) { (index) async throws(VolumeError) -> StoredPack? in
            let found: [UInt8]?
            do throws(VolumeError) {
                found = try await store.readingOne(of: keys) { () async throws(VolumeError) in
                    try await destination.bytes(of: keys.mark(plan.backup, index))
                }
            } catch {
                guard error.code == .dataLoss else { throw error }
                return nil
            }
            guard let bytes = found, let pack = try? StoredPack(parsing: bytes) else { return nil }
            guard let chunk = pack.pieces.first?.chunk else { return pack }
            return chunks.isThere(chunk.digest) ? pack : nil
        }
        // Each answer is there, be it nothing.
        for (index, pack) in zip(indices, found) { stored[index] = pack }
        return stored
    }

    /// The packs among those of earlier runs whose chunks are not whole.
    private func damaged(
        among before: [Int],
        _ stored: [StoredPack?],
        _ chunks: ChunkWriter,
        _ lock: any DestinationLock
    ) async throws(VolumeError) -> [Int] {
        let sizes = before.map { stored[$0]?.pieces.first.map { UInt64($0.chunk.storedBytes) } ?? 0 }
        progress.enter("checking what was stored before", total: sizes.reduce(0, +))
        let answers = try await atOnce(before, width: Self.width) { (index) async throws(VolumeError) -> Bool in
            try await lock.check()
            guard var pack = stored[index], let chunk = pack.pieces.first?.chunk else { return true }
            guard try await chunks.isStored(chunk.digest) else { return false }
            // The next run need not.
            pack.isChecked = true
            try await store.destination.put(pack.bytes, as: keys.mark(plan.backup, index))
            progress.add(UInt64(chunk.storedBytes))
            return true
        }
        return zip(before, answers).filter { !$0.1 }.map(\.0)
    }

    private func keep(
        _ pack: [Range<UInt64>],
        _ index: Int,
        of source: Image,
        _ chunks: ChunkWriter
    ) async throws(VolumeError) -> StoredPack {
        let packed = try await image.blocking("read image") { (_) throws(RBDError) in try Self.read(pack, of: source) }
        let digest = packed.pieces.first.map(\.chunk.digest)
        var deed = ChunkWriter.Deed.nothing
        if let digest { deed = try await chunks.deed(for: digest) }
        let stored = StoredPack(
            pieces: packed.pieces,
            readBytes: packed.readBytes,
            addedBytes: deed == .nothing ? 0 : UInt64(packed.object.count)
        )
        // The mark counts once its chunk is there, so it comes first: no chunk that is stored is read for again.
        try await store.destination.put(stored.bytes, as: keys.mark(plan.backup, index))
        if let digest { try await chunks.carryOut(deed, packed.object, digest) }
        progress.add(packed.readBytes)
        return stored
    }

    private static func read(_ pack: [Range<UInt64>], of source: Image) throws(RBDError) -> Packed {
        var builder = PackBuilder()
        var readBytes: UInt64 = 0
        for range in pack {
            let bytes = try source.bytes(at: range.lowerBound, count: range.count)
            guard bytes.count == range.count else {
                throw RBDError(call: "rbd_read", code: .ioError, subject: source.spec)
            }
            builder.append(bytes, at: range.lowerBound)
            readBytes += UInt64(bytes.count)
        }
        guard !builder.content.isEmpty else { return Packed(pieces: [], readBytes: readBytes, object: []) }
        let object = Chunk.object(of: builder.content)
        let chunk = BlockMap.ChunkRecord(
            digest: Digest(of: builder.content),
            contentBytes: UInt32(builder.content.count),
            storedBytes: UInt32(object.count)
        )
        let pieces = builder.spans.map { span in
            BlockMap.Piece(offset: span.offset, length: span.length, chunk: chunk, position: span.position)
        }
        return Packed(pieces: pieces, readBytes: readBytes, object: object)
    }
}
