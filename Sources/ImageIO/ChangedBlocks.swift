internal import Glibc
internal import Synchronization

/// Which blocks of 4 KiB are being changed, by the low bits of their numbers; most requests then need not search the
/// table.
///
/// It may report a block that no request changes. It never misses a block that is being changed, because a change is
/// added before it is published and removed after it is withdrawn.
///
/// Safe to share: the counts never move and are atomics.
final class ChangedBlocks: @unchecked Sendable {
    let counts: UnsafeMutablePointer<StepAtomic<UInt16>>
    /// The number of changes longer than `longest`, which count as changes of every block.
    private let large = StepAtomic<Int>(0)

    private static let places: UInt64 = 1 << 16
    private static let shift: UInt64 = 12
    private static let longest: UInt64 = 1 << 20

    init() {
        let bytes = Int(Self.places) * MemoryLayout<StepAtomic<UInt16>>.stride
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: bytes,
            alignment: MemoryLayout<StepAtomic<UInt16>>.alignment
        )
        // Counts of zero; one by one would take milliseconds in a debug build.
        memset(memory, 0, bytes)
        counts = memory.assumingMemoryBound(to: StepAtomic<UInt16>.self)
    }

    deinit {
        counts.deallocate()
    }

    func add(_ begin: UInt64, _ end: UInt64) {
        guard let blocks = blocks(begin, end) else {
            large.wrappingAdd(1, ordering: .sequentiallyConsistent)
            return
        }
        for block in blocks { count(block).pointee.wrappingAdd(1, ordering: .sequentiallyConsistent) }
    }

    func remove(_ begin: UInt64, _ end: UInt64) {
        guard let blocks = blocks(begin, end) else {
            large.wrappingSubtract(1, ordering: .sequentiallyConsistent)
            return
        }
        for block in blocks { count(block).pointee.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    }

    /// Whether a range may be changed by others.
    ///
    /// - Parameters:
    ///   - begin: Its first byte.
    ///   - end: Behind its last.
    ///   - isAdded: Whether it was added itself.
    /// - Returns: False only if no request changes it.
    func mayChange(_ begin: UInt64, _ end: UInt64, isAdded: Bool) -> Bool {
        guard large.load(ordering: .sequentiallyConsistent) == 0, let blocks = blocks(begin, end) else { return true }
        let own: UInt16 = isAdded ? 1 : 0
        return blocks.contains { count($0).pointee.load(ordering: .sequentiallyConsistent) > own }
    }

    /// The blocks that a range touches; `nil` if they are too many.
    private func blocks(_ begin: UInt64, _ end: UInt64) -> Range<UInt64>? {
        guard end >= begin, end - begin <= Self.longest else { return nil }
        return begin >> Self.shift..<(max(end, begin + 1) - 1) >> Self.shift + 1
    }

    private func count(_ block: UInt64) -> UnsafeMutablePointer<StepAtomic<UInt16>> {
        counts + Int(block & (Self.places - 1))
    }
}
