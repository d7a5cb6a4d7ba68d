internal import BlockDevices
internal import LinuxKernel

/// The other nodes of a disk, claimed, so that nobody mounts or maps the disk through one of them meanwhile.
///
/// They are claimed before anything is taken down: what is claimed is a disk that nobody uses through them.
final class OtherPathClaims: Sendable {
    /// One node that nobody else can claim while this is open.
    private final class Claim: Sendable {
        let node: BlockNode
        let io: BlockIOControl

        init(_ node: BlockNode, _ io: consuming BlockIOControl) {
            self.node = node
            self.io = io
        }
    }

    private let claims: [Claim]
    private let host: Host

    /// Claims all other nodes of a plan's disk, which are to be the ones that were planned.
    init(_ plan: ZapPlan, host: Host) throws {
        self.host = host
        let paths = try host.tree().otherPaths(of: plan.identity.name)
        guard paths.map(\.name) == plan.inspection.otherPaths.map(\.node.name) else {
            let names = paths.map(\.name).joined(separator: ", ")
            throw Refusal(
                .changed,
                "'\(plan.identity.name)' has other nodes by now (\(names.isEmpty ? "none" : names))",
                remedy: "plan again"
            )
        }
        claims = try paths.map { try Self.claim($0, of: plan.identity.name, host) }
    }

    private static func claim(_ node: BlockNode, of name: String, _ host: Host) throws(Refusal) -> Claim {
        let what = "'\(node.name)', which is the same disk as '\(name)',"
        let io: BlockIOControl
        do throws(KernelError) {
            io = try BlockIOControl(opening: "\(host.dev)/\(node.name)", flags: OpenFlag.readOnly | OpenFlag.exclusive)
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
        return Claim(node, io)
    }

    /// Their nodes.
    var nodes: [BlockNode] { claims.map(\.node) }

    /// Has the kernel forget what it cached and believed of the disk by these nodes.
    func forget() -> (done: [String], left: [String]) {
        var done: [String] = []
        var left: [String] = []
        for claim in claims {
            try? claim.io.flushBuffers()
            guard !claim.node.isPartition else { continue }
            let partitions = KernelPartitions(sysfs: host.sysfs, name: claim.node.name)
            done += partitions.forget(claim.io).map { "\(claim.node.name): \($0)" }
            left += partitions.remaining().map { "\(claim.node.name): \($0)" }
        }
        return (done, left)
    }

    /// Has the kernel know these partitions of the disk by these nodes, too; says what it did not take.
    func update(to wanted: [Int: ByteExtent]) -> [String] {
        claims.filter { !$0.node.isPartition }.flatMap { claim -> [String] in
            try? claim.io.flushBuffers()
            let partitions = KernelPartitions(sysfs: host.sysfs, name: claim.node.name)
            return partitions.update(claim.io, to: wanted).refused.map { "\(claim.node.name): \($0)" }
        }
    }
}
