internal import BlockDevices
internal import LinuxKernel

/// Who could write to a disk behind the back of its claim, by what the host says now: processes, and other hosts.
struct DiskUsers {
    private let plan: ZapPlan
    private let host: Host

    init(_ plan: ZapPlan, _ host: Host) {
        self.plan = plan
        self.host = host
    }

    /// Throws the first reason to leave the disk alone.
    func refuse() throws(Refusal) {
        let tree: BlockTree
        do throws(KernelError) {
            tree = try host.tree()
        } catch {
            throw Refusal(.unreadable, "cannot look at \(error)", remedy: "see whether /sys is mounted")
        }
        guard let node = tree.nodes[plan.identity.name] else {
            throw Refusal(.changed, "'\(plan.identity.name)' is gone by now", remedy: "plan again")
        }
        if let writer = Writers(host: host, use: host.use()).refusals(tree.allWays(to: node.name)).first {
            throw writer
        }
        try refuseReservation(of: tree.nodes[node.parent ?? ""] ?? node)
    }

    private func refuseReservation(of disk: BlockNode) throws(Refusal) {
        let (reservation, failure) = host.reservation(of: disk)
        if let reservation, reservation.kind != nil {
            throw Refusal(
                .reserved,
                "'\(disk.name)' is \(reservation.words) by now",
                remedy: "have its holder release it"
            )
        }
        // A disk that never told is planned with a warning; one that told and no more does has a reason.
        if let failure, plan.inspection.reservationFailure == nil {
            throw Refusal(
                .reserved,
                "nobody knows any more whether another host has reserved '\(disk.name)': cannot ask \(failure)",
                remedy: "see what the kernel says of it (dmesg), and plan again"
            )
        }
    }
}
