internal import BlockDevices
internal import LinuxKernel

/// Processes that could write to a disk although it is claimed: O_EXCL excludes only other claims, not who opened it
/// without, such as a virtual machine.
struct Writers {
    /// Some programs open a device for writing only to look at it: losetup does so with every free one.
    static let patience = Duration.seconds(2)

    let host: Host
    let use: DeviceUse

    /// Who could write through these nodes, after those who only look were waited for.
    func refusals(_ nodes: [BlockNode]) -> [Refusal] {
        nodes.compactMap { node in
            let end = ContinuousClock.now + Self.patience
            var writer = use.writers(of: node).first
            while writer != nil, .now < end {
                Threads.pause(.milliseconds(100))
                writer = use.writers(of: node).first
            }
            return writer.map { writer in
                Refusal(
                    .held,
                    "\(writer.name) (process \(writer.process)) has '\(node.name)' open to write",
                    remedy: "stop that first"
                )
            }
        }
    }
}

extension BlockTree {
    /// The nodes through which what is on a node can be written: itself, its disk, and all that stands on it.
    ///
    /// Mappings are left out: their open count tells more, and is looked at before they are removed.
    func ways(to name: String) -> [BlockNode] {
        let disk = nodes[name]?.parent.flatMap { nodes[$0] }.map { [$0] } ?? []
        return disk + above(name).filter { $0.mapping == nil }
    }

    /// The same, and those of the other nodes of its disk.
    func allWays(to name: String) -> [BlockNode] {
        ([name] + otherPaths(of: name).map(\.name)).flatMap(ways).uniqued()
    }
}
