internal import BlockDevices
internal import LinuxKernel
internal import Synchronization

/// The other nodes of a disk, claimed, so that nobody mounts or maps the disk through one of them meanwhile.
///
/// They are claimed before anything is taken down: what is claimed is a disk that nobody uses through them.
final class OtherPathClaims: Sendable {
    private let claims: [PathClaim]
    private let host: Host
    /// Whether only a partition of the disk was planned: the others are none of its business.
    private let isOfPartition: Bool
    /// The numbers of the nodes that were seen to show what was written to the disk.
    private let proven = Mutex<Set<DeviceNumber>>([])

    /// Claims all other nodes of a plan's disk, which are to be the ones that were planned.
    init(_ plan: ZapPlan, host: Host, shared: SharedClaims = SharedClaims()) throws {
        self.host = host
        isOfPartition = plan.inspection.node.isPartition
        let tree = try host.tree()
        let paths = tree.otherPaths(of: plan.identity.name)
        guard paths.map(\.name) == plan.inspection.otherPaths.map(\.node.name) else {
            let names = paths.map(\.name).joined(separator: ", ")
            throw Refusal(
                .changed,
                "'\(plan.identity.name)' has other nodes by now (\(names.isEmpty ? "none" : names))",
                remedy: "plan again"
            )
        }
        claims = try paths.map { path in
            try shared.claim(path, in: tree) { node throws(Refusal) in
                try Self.claim(node, of: plan.identity.name, host)
            }
        }
    }

    private static func claim(_ node: BlockNode, of name: String, _ host: Host) throws(Refusal) -> PathClaim {
        let what = "'\(node.name)', which is the same disk as '\(name)',"
        let io: BlockIOControl
        do throws(KernelError) {
            let flags = OpenFlag.readOnly | OpenFlag.exclusive | OpenFlag.direct
            io = try .claiming("\(host.dev)/\(node.name)", flags)
        } catch {
            guard error.isBusy else {
                throw Refusal(
                    .otherPath,
                    "\(what) cannot be claimed (\(error.words))",
                    remedy:
                        "take that path away if it is dead (echo 1 > /sys/block/\(node.parent ?? node.name)/device/delete)"
                )
            }
            let holders = DeviceHolders(sysfs: host.sysfs.root, proc: host.proc).holders(of: node.name)
            let list = holders.map(\.description).joined(separator: ", ")
            let who = list.isEmpty ? "by the kernel, or in a process that is not visible here" : list
            throw Refusal(.otherPath, "\(what) is claimed: \(who)", remedy: "stop that first")
        }
        guard io.deviceNumber() == node.device else {
            throw Refusal(.changed, "'\(node.name)' is another device by now", remedy: "plan again")
        }
        guard (try? io.descriptor.tryLock()) ?? false else {
            throw Refusal(.otherPath, "another program has locked \(what)", remedy: "wait for it")
        }
        return PathClaim(node, io)
    }

    /// Writes to the disk, and looks whether the other nodes show it: names and sizes only suggest that they are one disk.
    ///
    /// - Parameters:
    ///   - extent: What is written, in whole sectors.
    ///   - disk: The disk.
    ///   - write: The write; it has to be on the medium after it.
    /// - Throws: What the write throws.
    func proving(_ extent: ByteExtent, on disk: ClaimedDisk, _ write: () throws(KernelError) -> Void)
        throws(KernelError)
    {
        guard !isOfPartition, !claims.isEmpty else { return try write() }
        let before = claims.map { Self.bytes($0.io, extent) }
        try write()
        guard let written = Self.bytes(disk.io, extent) else { return }
        for (claim, old) in zip(claims, before) where Self.bytes(claim.io, extent) == written {
            // What was so before proves nothing.
            if let old, old != written { proven.withLock { _ = $0.insert(claim.node.device) } }
        }
    }

    /// What is on the medium, past every cache; `nil` if it cannot be read.
    private static func bytes(_ io: borrowing BlockIOControl, _ extent: ByteExtent) -> [UInt8]? {
        let buffer = AlignedBuffer(count: Int(extent.length))
        let count = try? io.descriptor.readBlocks(into: buffer, count: Int(extent.length), at: extent.offset)
        return count == Int(extent.length) ? buffer.copy(0..<Int(extent.length)) : nil
    }

    /// The claims by which the kernel's partitions may be changed; what was cached by the others is dropped, too.
    private func flushed() -> [PathClaim] {
        for claim in claims { try? claim.io.flushBuffers() }
        guard !isOfPartition else { return [] }
        let known = proven.withLock { $0 }
        return claims.filter { !$0.node.isPartition && known.contains($0.node.device) }
    }

    private func sysfsPartitions(_ claim: PathClaim) -> [BlockNode] { host.sysfs.partitions(of: claim.node.name) }

    /// Has the kernel forget what it cached and believed of the disk by these nodes.
    func forget() -> (done: [String], left: [String]) {
        var done: [String] = []
        var left: [String] = []
        let proven = flushed()
        if !isOfPartition {
            let others = claims.filter { claim in !proven.contains { $0.node.device == claim.node.device } }
            done += others.filter { !sysfsPartitions($0).isEmpty }.map {
                "\($0.node.name): its partitions stay, because it was not seen to show what was written"
            }
        }
        for claim in proven {
            let partitions = KernelPartitions(sysfs: host.sysfs, name: claim.node.name)
            done += partitions.forget(claim.io).map { "\(claim.node.name): \($0)" }
            left += partitions.remaining().map { "\(claim.node.name): \($0)" }
        }
        return (done, left)
    }

    /// Has the kernel know these partitions of the disk by these nodes, too; says what it did not take.
    func update(to wanted: [Int: ByteExtent]) -> [String] {
        flushed().flatMap { claim -> [String] in
            let partitions = KernelPartitions(sysfs: host.sysfs, name: claim.node.name)
            return partitions.update(claim.io, to: wanted).refused.map { "\(claim.node.name): \($0)" }
        }
    }
}

/// One node that nobody else can claim while this is open.
final class PathClaim: Sendable {
    let node: BlockNode
    let io: BlockIOControl

    init(_ node: BlockNode, _ io: consuming BlockIOControl) {
        self.node = node
        self.io = io
    }
}

/// The claims of one call: two partitions of a disk may have one other node, which can be claimed only once.
final class SharedClaims: Sendable {
    private let wholes: Set<String>
    private let claims = Mutex<[DeviceNumber: PathClaim]>([:])

    /// Claims for plans that are carried out together.
    init(_ plans: [ZapPlan] = []) {
        wholes = Set(plans.flatMap(\.inspection.otherPaths).map(\.node).filter { !$0.isPartition }.map(\.name))
    }

    /// The claim of a node; of its whole disk where that is another's node, because it excludes claims of partitions.
    func claim(
        _ node: BlockNode,
        in tree: BlockTree,
        _ make: (BlockNode) throws(Refusal) -> PathClaim
    ) throws(Refusal) -> PathClaim {
        let whole = node.parent.flatMap { wholes.contains($0) ? tree.nodes[$0] : nil } ?? node
        let result = claims.withLock { claims -> Result<PathClaim, Refusal> in
            if let claim = claims[whole.device] { return .success(claim) }
            do throws(Refusal) {
                let claim = try make(whole)
                claims[whole.device] = claim
                return .success(claim)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
