public import BlockDevices
public import LinuxKernel

/// Updates the kernel's partitions from a disk's table, also while some of them are in use.
public struct TableReread: Sendable {
    /// What was changed.
    public let done: [String]
    /// What could not be.
    public let refused: [String]

    /// Reads the table and updates the kernel; writes nothing to the disk.
    ///
    /// - Parameters:
    ///   - node: A whole disk.
    ///   - host: Its host.
    /// - Throws: ``Refusal`` for anything but a whole disk, `KernelError` if it cannot be read.
    public init(_ node: BlockNode, on host: Host) throws {
        guard !node.isPartition else {
            throw Refusal(.held, "'\(node.name)' is a partition itself", remedy: "name its disk")
        }
        let path = "\(host.dev)/\(node.name)"
        let reader = try DiskReader(path: path)
        let contents = DeviceContents(reader, sectorBytes: UInt64(node.queue.logicalSectorBytes))
        if let failure = reader.failures.first { throw failure }
        let change = KernelPartitions(sysfs: host.sysfs, name: node.name).update(
            try BlockIOControl(opening: path),
            to: contents.kernelPartitions,
            ignoring: Set((contents.mbr?.entries ?? []).filter(\.isExtended).map(\.number))
        )
        (done, refused) = (change.done, change.refused)
    }
}

extension DeviceContents {
    /// The partitions that a kernel with a parser for each table would find: those of a valid GPT in the device's own
    /// sectors, or of an MBR.
    var kernelPartitions: [Int: ByteExtent] {
        guard gpt?.current != nil || gpt == nil && foreignGPT == nil else { return [:] }
        let pairs = regions.compactMap { region -> (Int, ByteExtent)? in
            guard case .partition(let number) = region.kind, let extent = region.extents.first else { return nil }
            return (number, extent)
        }
        return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    }
}
