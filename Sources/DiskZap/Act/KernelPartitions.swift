internal import BlockDevices
internal import LinuxKernel

/// Makes the kernel's partitions of a disk equal to those of its table.
///
/// BLKRRPART makes the kernel read the whole table. It fails while a partition is in use, and a kernel without a parser
/// for the table reports success and finds no partition. Remaining differences are set one partition at a time by
/// BLKPG, as partprobe does.
struct KernelPartitions {
    let sysfs: Sysfs
    /// The disk's name.
    let name: String

    /// What was changed, and what could not be.
    struct Change {
        var done: [String] = []
        var refused: [String] = []
    }

    private var known: [BlockNode] { sysfs.partitions(of: name) }

    /// Has it forget them all.
    func forget(_ io: borrowing BlockIOControl) -> [String] {
        let before = known.compactMap(\.partitionNumber)
        try? io.rereadPartitionTable()
        var left: [Int] = []
        for number in known.compactMap(\.partitionNumber) where (try? io.deletePartition(number: number)) == nil {
            left.append(number)
        }
        let gone = before.filter { !left.contains($0) }
        return gone.isEmpty ? [] : ["the kernel forgot partitions \(gone.map(String.init).joined(separator: ", "))"]
    }

    /// What it still believes in.
    func remaining() -> [String] {
        known.compactMap(\.partitionNumber).map { "the kernel still has partition \($0): it is in use" }
    }

    /// Has it know these partitions and no others.
    ///
    /// - Parameters:
    ///   - io: The disk.
    ///   - wanted: Where each partition lies.
    ///   - ignored: Numbers of partitions that are neither added nor removed.
    /// - Returns: What was changed, and what could not be.
    func update(_ io: borrowing BlockIOControl, to wanted: [Int: ByteExtent], ignoring ignored: Set<Int> = []) -> Change
    {
        var change = Change()
        let before = extents()
        try? io.rereadPartitionTable()
        for (number, extent) in extents().sorted(by: { $0.key < $1.key }) where !ignored.contains(number) {
            guard let place = wanted[number], place != extent else {
                if wanted[number] == nil, (try? io.deletePartition(number: number)) == nil {
                    change.refused.append("the kernel keeps partition \(number): it is in use")
                }
                continue
            }
            // A partition that grew or shrank may be in use.
            let isResized =
                place.offset == extent.offset
                && (try? io.resizePartition(number: number, start: place.offset, length: place.length)) != nil
            if !isResized, (try? io.deletePartition(number: number)) == nil {
                change.refused.append("the kernel keeps partition \(number) where it was: it is in use")
            }
        }
        let left = extents()
        for (number, extent) in wanted.sorted(by: { $0.key < $1.key }) where left[number] == nil {
            do throws(KernelError) {
                try io.addPartition(number: number, start: extent.offset, length: extent.length)
            } catch {
                change.refused.append("the kernel does not take partition \(number): \(error.words)")
            }
        }
        change.done = Self.differences(before, extents())
        return change
    }

    private func extents() -> [Int: ByteExtent] {
        let pairs = known.compactMap { node in
            node.partitionNumber.map { ($0, ByteExtent(offset: node.startBytes ?? 0, length: node.sizeBytes)) }
        }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }

    private static func differences(_ before: [Int: ByteExtent], _ after: [Int: ByteExtent]) -> [String] {
        Set(before.keys).union(after.keys).sorted().compactMap { number in
            switch (before[number], after[number]) {
            case (nil, let new?): "partition \(number) is known now (\(new))"
            case (_?, nil): "partition \(number) is forgotten"
            case (let old?, let new?): old == new ? nil : "partition \(number) is \(new) now, no more \(old)"
            case (nil, nil): nil
            }
        }
    }
}
