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

    /// What it still believes in.
    func remaining() -> [String] {
        numbers.map { "the kernel still has partition \($0): it is in use" }
    }
}
