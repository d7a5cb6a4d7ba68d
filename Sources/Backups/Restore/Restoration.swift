public import CephVolumes
internal import ExactText
internal import RBD
internal import Synchronization
internal import SystemPackage
public import Volumes

/// A restore of a backup into a new volume's image.
///
/// The image keeps a mark until all of it is proven. Its beginning, where every file system has its super block, is written
/// last: a half-restored image cannot be mounted. A repetition goes on from the mark.
public struct Restoration: Sendable {
    private let store: BackupStore
    private let backup: Manifest
    private let image: ImageAccess
    private let progress: BackupProgress
    private let keys: BackupKeys

    /// What came of it.
    public struct Outcome: Sendable {
        /// Bytes that were written now.
        public let writtenBytes: UInt64
        /// The SHA-256 of the image's content, of what was read back: over each window of 4 MiB that is not zeroes, in their
        /// order, its number (8 bytes, little-endian) and its own SHA-256.
        public let checksum: Digest
        /// Whether an earlier run had begun it.
        public let wasBegun: Bool
    }

    /// Windows are written so many at once.
    private static let width = 8
    /// After so many windows it is written down how far it came.
    private static let stretch = 64

    /// Prepares a restore.
    ///
    /// - Parameters:
    ///   - backup: What from.
    ///   - store: Where it is.
    ///   - image: What into: an image of a volume that was made for this, at least as large.
    ///   - progress: What is told of it.
    public init(of backup: Manifest, from store: BackupStore, into image: ImageAccess, _ progress: BackupProgress) {
        self.store = store
        self.backup = backup
        self.image = image
        self.progress = progress
        keys = BackupKeys(backup.volume)
    }

    /// Writes all of it, reads it back, and compares.
    ///
    /// - Returns: What came of it.
    /// - Throws: `VolumeError`, with `.dataLoss` for a damaged backup, or for an image that reads otherwise than it was
    ///   written.
    public func run() async throws(VolumeError) -> Outcome {
        progress.enter("reading the map")
        let windows = ImageWindows(try await store.map(of: backup))
        let restored = try await RestoredImage.find(image, for: backup)
        let open = try await restored.openAlone()
        let outcome: Result<Outcome, VolumeError>
        do throws(VolumeError) {
            outcome = .success(try await fill(restored, open, windows))
        } catch {
            outcome = .failure(error)
        }
        // Until the mark is gone nobody else has the lock.
        _ = try? await image.blocking("close image") { (_) throws(RBDError) in open.close() }
        return try outcome.get()
    }

    private func fill(
        _ restored: RestoredImage,
        _ open: Image,
        _ windows: ImageWindows
    ) async throws(VolumeError) -> Outcome {
        let cache = ChunkCache(store, keys)
        let sums = WindowSums()
        let writer = WindowWriter(
            image: image,
            open: open,
            windows: windows,
            cache: cache,
            sums: sums,
            progress: progress
        )
        let begun = try await restored.begin()
        let (bytes, mark) = try await write(writer, restored, begun)
        let proof = RestoreProof(
            image: image,
            imageID: restored.imageID,
            windows: windows,
            cache: cache,
            sums: sums,
            progress: progress
        )
        let checksum = try await proof.run()
        try await restored.replace(mark, with: nil)
        return Outcome(writtenBytes: bytes, checksum: checksum, wasBegun: begun.windows > 0)
    }

    private func write(
        _ writer: WindowWriter,
        _ restored: RestoredImage,
        _ begun: RestoringMark
    ) async throws(VolumeError) -> (bytes: UInt64, mark: RestoringMark) {
        let all = writer.windows.windows
        let first = all.filter { $0.number == 0 }
        let others = all.filter { $0.number != 0 }
        progress.enter("writing", total: writer.windows.map.dataBytes)
        var written: UInt64 = 0
        var mark = begun
        var done = min(mark.windows, others.count)
        for window in others[..<done] { progress.add(window.dataBytes) }
        while done < others.count {
            let part = Array(others[done..<min(done + Self.stretch, others.count)])
            written += try await atOnce(part, width: Self.width) { (window) async throws(VolumeError) in
                try await writer.write(window)
            }
            .reduce(0, +)
            try await writer.flush()
            done += part.count
            let next = mark.with(windows: done)
            try await restored.replace(mark, with: next)
            mark = next
        }
        for window in first { written += try await writer.write(window) }
        try await writer.flush()
        return (written, mark)
    }
}

extension ImageWindows.Window {
    /// Bytes of it that are in chunks.
    var dataBytes: UInt64 { extents.reduce(0) { $0 + UInt64($1.length) } }
}

/// The SHA-256 of windows that this process has put together, and that are not zeroes.
final class WindowSums: Sendable {
    private let sums = Mutex<[UInt64: Digest]>([:])

    /// The sum of a window; `nil` if it is zeroes.
    static func sum(of content: [UInt8]) -> Digest? {
        PackBuilder.isZero(content[...]) ? nil : Digest(of: content)
    }

    subscript(number: UInt64) -> Digest? {
        get { sums.withLock { $0[number] } }
        set { sums.withLock { $0[number] = newValue } }
    }
}

/// Writes windows.
private struct WindowWriter: Sendable {
    let image: ImageAccess
    let open: Image
    let windows: ImageWindows
    let cache: ChunkCache
    let sums: WindowSums
    let progress: BackupProgress

    /// Writes what a window holds; what is zeroes stays a hole.
    func write(_ window: ImageWindows.Window) async throws(VolumeError) -> UInt64 {
        let content = try await windows.content(of: window, cache)
        let start = window.number * ImageWindows.bytes
        let ranges = window.extents.reduce(into: [Range<Int>]()) { ranges, extent in
            let from = Int(extent.offset - start)
            if let last = ranges.last, last.upperBound == from {
                ranges[ranges.count - 1] = last.lowerBound..<from + Int(extent.length)
            } else {
                ranges.append(from..<from + Int(extent.length))
            }
        }
        let open = open
        let sum = try await image.blocking("write to image") { (_) throws(RBDError) in
            for range in ranges { try open.write(content[range], at: start + UInt64(range.lowerBound)) }
            return WindowSums.sum(of: content)
        }
        if let sum { sums[window.number] = sum }
        progress.add(window.dataBytes)
        return window.dataBytes
    }

    func flush() async throws(VolumeError) {
        let open = open
        try await image.blocking("write to image") { (_) throws(RBDError) in try open.flush() }
    }
}
