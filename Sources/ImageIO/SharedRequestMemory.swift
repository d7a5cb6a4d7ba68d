internal import CRBD
internal import Glibc
internal import Synchronization

/// What the servers of an image hand over to each other: writes that were acknowledged and are not stable yet.
///
/// It is a memory file that outlives the process. A write is acknowledged once its bytes and its offset are here. So no
/// acknowledged write is lost with a killed server: the successor sends them again, in their order.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | magic |
/// | 8 | 8 | how many requests |
/// | 16 | 8 | bytes of each buffer |
/// | 24 | 8 | sequence number of the last request |
/// | 32 | 8 | errno of a write that failed after it was acknowledged |
/// | 256 | 8 × 32 | counters, `IOCounter` |
/// | 1024 | 3072 | a note of the front's, its length first |
/// | 4096 | 8 × N | sequence number of each request that changes the image and has not ended; 0 for others |
/// | | 8 × N | its offset |
/// | | 8 × N | its length; bit 63 when it was acknowledged |
/// | page | N × bytes | the buffers |
///
/// All fields are in the host's order: both servers run on it.
///
/// Safe to share: the mapping never moves, its words are atomics, and a request's bytes belong to the request's owner.
package final class SharedRequestMemory: @unchecked Sendable {
    typealias Word = UnsafeMutablePointer<StepAtomic<UInt64>>

    /// How many requests there are.
    package let count: Int
    /// How many bytes a request may carry.
    package let longestTransfer: Int
    private let base: UnsafeMutableRawPointer
    private let descriptor: CInt

    private static let magic: UInt64 = 0x3130_4f49_4552_434e
    private static let pageSize = 4096
    static let acknowledgedBit: UInt64 = 1 << 63

    /// How large its file must be.
    package static func fileBytes(count: Int, longestTransfer: Int) -> UInt64 {
        UInt64(tableBytes(count) + count * longestTransfer)
    }

    /// Maps the file, which is all zeros or was used by another server; `nil` if it cannot be mapped or has another
    /// format.
    ///
    /// - Parameters:
    ///   - descriptor: A memory file of `fileBytes`; it stays open as long.
    ///   - count: How many requests; the same for all servers of a file.
    ///   - longestTransfer: The largest read or write, in bytes, a multiple of the page size.
    package init?(descriptor: CInt, count: Int, longestTransfer: Int) {
        let size = Int(Self.fileBytes(count: count, longestTransfer: longestTransfer))
        guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0),
            base != MAP_FAILED
        else { return nil }
        self.base = base
        self.descriptor = descriptor
        self.count = count
        self.longestTransfer = longestTransfer
        let header = [Self.magic, UInt64(count), UInt64(longestTransfer)]
        if word(0).pointee.load(ordering: .relaxed) == 0 {
            for (index, value) in header.enumerated() { word(index).pointee.store(value, ordering: .relaxed) }
        }
        let found = (0..<3).map { word($0).pointee.load(ordering: .relaxed) }
        guard found == header else {
            munmap(base, size)
            return nil
        }
    }

    deinit {
        munmap(base, Int(Self.fileBytes(count: count, longestTransfer: longestTransfer)))
    }

    private static func tableBytes(_ count: Int) -> Int {
        (pageSize + 3 * 8 * count + pageSize - 1) & ~(pageSize - 1)
    }

    private func word(_ index: Int) -> Word {
        (base + 8 * index).assumingMemoryBound(to: StepAtomic<UInt64>.self)
    }

    /// The sequence number of the last request.
    var sequence: Word { word(3) }
    /// The errno of an acknowledged write that failed.
    var failure: Word { word(4) }
    func counter(_ counter: IOCounter) -> UnsafeMutablePointer<Atomic<UInt64>> {
        (base + 8 * (32 + counter.rawValue)).assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    func sequence(of index: Int) -> Word { word(512 + index) }
    func offset(of index: Int) -> Word { word(512 + count + index) }
    func length(of index: Int) -> Word { word(512 + 2 * count + index) }

    func buffer(of index: Int) -> UnsafeMutableRawPointer {
        base + Self.tableBytes(count) + index * longestTransfer
    }

    /// Returns a buffer's memory to the kernel, so that one large transfer does not keep it allocated.
    func forget(_ index: Int) {
        // madvise(2) does not free locked pages, and these are locked.
        let place = Self.tableBytes(count) + index * longestTransfer
        nacre_punch_hole(descriptor, Int64(place), Int64(longestTransfer))
    }

    /// Bytes that a front leaves for its successor, at most 3,064.
    package var note: [UInt8] {
        get {
            let length = Int(word(128).pointee.load(ordering: .acquiring))
            return Array(UnsafeRawBufferPointer(start: base + 1032, count: min(length, 3064)))
        }
        set {
            let bytes = newValue.prefix(3064)
            bytes.withUnsafeBytes { bytes in
                guard let source = bytes.baseAddress else { return }
                UnsafeMutableRawPointer(base + 1032).copyMemory(from: source, byteCount: bytes.count)
            }
            word(128).pointee.store(UInt64(bytes.count), ordering: .releasing)
        }
    }
}
