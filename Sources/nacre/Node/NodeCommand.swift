import ArgumentParser

/// `nacre node`: a node's agent, holders of volumes, and fencing.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Run a node's agent; see which node has which volume; fence a dead one; clean a node's disks.",
        discussion: """
            A volume for one node is locked for as long as it is mapped. When its node dies, the next one waits until \
            Ceph has not heard of it for 30 s, fences it and takes the volume. Fencing by hand is for a node that must not \
            be waited for, or that only seems to live.

            locks, fence and unfence work on Ceph themselves, as the user of --secret-dir; --socket and --direct mean \
            nothing there.

            EXAMPLES
              nacre node run --config /etc/ceph-csi-config/config.json
              nacre node locks
              nacre node fence worker-3
              nacre node fence 10.0.0.7:0/2893421 --yes
              nacre node unfence 10.0.0.7:0/2893421
            """,
        subcommands: [NodeRunCommand.self, NodeLocks.self, NodeFence.self, NodeUnfence.self, NodeCleanup.self]
    )
}
