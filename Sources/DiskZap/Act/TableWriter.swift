public import BlockDevices
public import LinuxKernel

/// Writes partition tables, on a device that it has claimed and compared with the plan.
public struct TableWriter: Sendable {
    private let plan: ZapPlan
    private let host: Host

    /// Makes a writer for the device of a plan; the plan's rules decide whether it may be changed.
    public init(_ plan: ZapPlan, on host: Host) {
        self.plan = plan
        self.host = host
    }

    /// Why the device may not be changed: refusals that no flag lifts, and mappings that would have to be removed.
    public var refusals: [Refusal] {
        let mappings = plan.teardown.map {
            Refusal(
                .held,
                "the mapping '\($0.mapping)' stands on it",
                remedy: "remove it with nacre-disk dm remove first"
            )
        }
        return plan.refusals.filter { !$0.canBeNamed } + mappings
    }

    /// What became of a table.
    public struct Written: Sendable, Hashable {
        /// What was done.
        public let done: [String]
        /// What the kernel did not accept; the disk itself is as wanted.
        public let refused: [String]
    }

    /// A write that the kernel did not carry out.
    public struct Failure: Error, Sendable, Hashable {
        /// What it said.
        public let error: KernelError
        /// Whether something may have been written before.
        public let isBegun: Bool
    }

    /// Writes a table, or erases the existing one, and updates the kernel.
    ///
    /// - Parameter layout: The table; `nil` to erase every copy.
    /// - Returns: What was done.
    /// - Throws: ``Refusal``, `GPTLayoutError` for a table that does not fit, or ``Failure``.
    public func write(_ layout: GPTLayout?) throws -> Written {
        if let refusal = refusals.first { throw refusal }
        try layout?.check()
        var isBegun = false
        do {
            return try write(layout, &isBegun)
        } catch let error as KernelError {
            throw Failure(error: error, isBegun: isBegun)
        }
    }

    private func write(_ layout: GPTLayout?, _ isBegun: inout Bool) throws -> Written {
        let paths = try OtherPathClaims(plan, host: host)
        let disk = try ClaimedDisk(plan, host: host)
        var layout = layout
        let first = AlignedBuffer(count: plan.identity.sectorBytes)
        _ = try disk.io.descriptor.readBlocks(into: first, count: plan.identity.sectorBytes, at: 0)
        layout?.keepBootCode(of: first.copy(0..<512))
        for (offset, bytes) in layout?.writes ?? erasures {
            let buffer = AlignedBuffer(count: bytes.count)
            buffer.replace(with: bytes)
            isBegun = true
            let extent = ByteExtent(offset: offset, length: UInt64(bytes.count))
            try paths.proving(extent, on: disk) { () throws(KernelError) in
                try disk.io.descriptor.writeBlocks(from: buffer, count: bytes.count, at: offset)
                // One copy is on the medium before the other is changed.
                try disk.io.synchronize()
            }
        }
        try? disk.io.flushBuffers()
        let done = layout == nil ? "erased the partition tables" : "wrote the partition table"
        let partitions = KernelPartitions(sysfs: host.sysfs, name: plan.identity.name)
        let change = partitions.update(disk.io, to: layout?.partitionExtents ?? [:])
        return Written(done: [done], refused: change.refused + paths.update(to: layout?.partitionExtents ?? [:]))
    }

    /// Zeros for every copy, in whole sectors of the device.
    private var erasures: [(offset: UInt64, bytes: [UInt8])] {
        let places = (plan.inspection.contents?.tablePlaces ?? []).flatMap { extent in
            // Only whole sectors: a partition may begin directly after the table.
            let unit = UInt64(plan.identity.sectorBytes)
            let start = extent.offset / unit * unit
            let end = min((extent.end + unit - 1) / unit * unit, plan.identity.sizeBytes)
            return [ByteExtent(offset: start, length: end - start)]
        }
        return places.merged().map { ($0.offset, [UInt8](repeating: 0, count: Int($0.length))) }
    }
}

extension GPTLayout {
    /// Where its partitions lie, by number.
    fileprivate var partitionExtents: [Int: ByteExtent] {
        entries.mapValues { entry in
            let blocks = entry.lastLBA - entry.firstLBA + 1
            return ByteExtent(offset: entry.firstLBA * sectorBytes, length: blocks * sectorBytes)
        }
    }
}
