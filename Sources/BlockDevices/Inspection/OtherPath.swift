public import LinuxKernel

/// Another device node of the same disk: the kernel takes the two for two disks, and a claim of one keeps nobody from the
/// other.
public struct OtherPath: Sendable, Hashable {
    /// As sysfs shows it.
    public let node: BlockNode
    /// Who uses the disk through it, for people: `'sdb1' is mounted at '/srv'`; none when it is free.
    public let uses: [String]

    /// A node and who uses it.
    public init(node: BlockNode, uses: [String]) {
        self.node = node
        self.uses = uses
    }

    /// Looks who uses a node, or anything that stands on it, without claiming it.
    init(_ node: BlockNode, in tree: BlockTree, use: DeviceUse, dev: String) {
        let above = tree.above(node.name)
        var uses = above.flatMap { upper in
            use.mounts(of: upper).map { "'\(upper.name)' is mounted at '\($0.mountPoint)'" }
        }
        uses += above.filter { use.swaps.contains($0) }.map { "'\($0.name)' is swap space in use" }
        uses += above.dropFirst().filter { !$0.isPartition }.map { holder in
            holder.mapping.map { "the mapping '\($0.name)' stands on it" } ?? "'\(holder.name)' stands on it"
        }
        let paths = Set(above.map(\.path))
        uses += tree.nodes.values.filter { $0.backingFile.map(paths.contains) ?? false }.map(\.name).sorted().map {
            "the loop device '\($0)' stands on it"
        }
        if let opened = try? OwnedDescriptor(opening: "\(dev)/\(node.name)", OpenFlag.readOnly), opened.isWriteLocked()
        {
            uses.append("a running ceph-osd holds it")
        }
        let disk = node.parent.flatMap { tree.nodes[$0] }.map { [$0] } ?? []
        uses += (disk + above).flatMap { upper in
            use.writers(of: upper).map { "\($0.name) (process \($0.process)) has '\(upper.name)' open to write" }
        }
        var seen: Set<String> = []
        self.init(node: node, uses: uses.filter { seen.insert($0).inserted })
    }
}
