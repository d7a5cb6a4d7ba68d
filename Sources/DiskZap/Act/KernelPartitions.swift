internal import BlockDevices
internal import LinuxKernel

/// Has the kernel forget the partitions of a disk whose table is gone.
struct KernelPartitions {
    let disk: ClaimedDisk
    let sysfs: Sysfs
    let name: String

    private var numbers: [Int] {
        ((try? BlockTree(reading: sysfs))?.partitions(of: name) ?? []).compactMap(\.partitionNumber)
    }

    /// Has it read the table again, and takes out by hand what it keeps.
    func forget() -> [String] {
        let before = numbers
        try? disk.io.rereadPartitionTable()
        for number in numbers { _ = try? disk.io.deletePartition(number: number) }
        let gone = Set(before).subtracting(numbers)
        return gone.isEmpty
            ? [] : ["the kernel forgot partitions \(gone.sorted().map(String.init).joined(separator: ", "))"]
    }

    /// Has it know what a table says: reads it again, then adds and takes out by hand where it did not.
    func update(_ layout: GPTLayout?) -> [String] {
        try? disk.io.rereadPartitionTable()
        let sector = layout?.sectorBytes ?? 512
        let wanted = (layout?.entries ?? [:]).mapValues { entry in
            ByteExtent(offset: entry.firstLBA * sector, length: (entry.lastLBA - entry.firstLBA + 1) * sector)
        }
        let known = (try? BlockTree(reading: sysfs))?.partitions(of: name) ?? []
        var said: [String] = []
        for node in known {
            guard let number = node.partitionNumber else { continue }
            let extent = ByteExtent(offset: node.startBytes ?? 0, length: node.sizeBytes)
            guard wanted[number] != extent else { continue }
            let isGone = (try? disk.io.deletePartition(number: number)) != nil
            if !isGone { said.append("the kernel keeps partition \(number): it is in use") }
        }
        let left = Set(((try? BlockTree(reading: sysfs))?.partitions(of: name) ?? []).compactMap(\.partitionNumber))
        for (number, extent) in wanted.sorted(by: { $0.key < $1.key }) where !left.contains(number) {
            do throws(KernelError) {
                try disk.io.addPartition(number: number, start: extent.offset, length: extent.length)
            } catch {
                said.append("the kernel does not take partition \(number): \(error)")
            }
        }
        return said
    }

    /// What it still believes in.
    func remaining() -> [String] {
        numbers.map { "the kernel still has partition \($0): it is in use" }
    }
}
