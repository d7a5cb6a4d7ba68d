internal import BlockDevices
internal import LinuxKernel

/// A disk opened exclusively: while this is open, no mount, mapping or mkfs can claim it.
///
/// After the open it was compared with the plan, through the descriptor and not by name.
final class ClaimedDisk: Sendable {
    let io: BlockIOControl
    let identity: DiskIdentity

    /// Opens the device of a plan with O_EXCL and checks that it is the same device with the same content.
    ///
    /// - Parameters:
    ///   - plan: What is to be done to it.
    ///   - host: Its host.
    /// - Throws: ``Refusal``.
    init(_ plan: ZapPlan, host: Host) throws(Refusal) {
        let identity = plan.identity
        let path = "\(host.dev)/\(identity.name)"
        let flags = OpenFlag.readWrite | OpenFlag.exclusive | OpenFlag.direct
        do throws(KernelError) {
            io = try .claiming(path, flags)
        } catch {
            throw Self.refusal(error, plan, host)
        }
        self.identity = identity
        guard io.deviceNumber() == identity.device else {
            throw Refusal(.changed, "'\(path)' is another device by now", remedy: "plan again")
        }
        // udevd and other instances of nacre-disk do not use a device while it is locked.
        guard (try? io.descriptor.tryLock()) ?? false else {
            throw Refusal(.held, "another program has locked '\(path)'", remedy: "wait for it")
        }
        // Between the first look and the claim somebody may have come.
        try DiskUsers(plan, host).refuse()
        try check(plan, host)
    }

    private func check(_ plan: ZapPlan, _ host: Host) throws(Refusal) {
        let size = (try? io.sizeBytes()) ?? 0
        let sector = (try? io.logicalSectorBytes()) ?? 0
        guard size == identity.sizeBytes, sector == identity.sectorBytes else {
            let now = "\(size) bytes in sectors of \(sector)"
            throw Refusal(.changed, "'\(identity.name)' has \(now) by now", remedy: "plan again")
        }
        if let planned = identity.diskSequence, let sequence = try? io.diskSequence(), sequence != planned {
            throw Refusal(
                .changed,
                "'\(identity.name)' is another disk by now (sequence \(sequence))",
                remedy: "plan again"
            )
        }
        guard let node = host.sysfs.node(identity.name, udev: host.udev), DiskIdentity(node) == identity else {
            throw Refusal(.changed, "'\(identity.name)' says by now that it is another disk", remedy: "plan again")
        }
        guard let contents = contents() else {
            throw Refusal(
                .unreadable,
                "'\(identity.name)' cannot be read in full, so it cannot be compared with the plan",
                remedy: "see what the kernel says of it (dmesg)"
            )
        }
        guard contents == plan.inspection.contents else {
            throw Refusal(
                .changed,
                "'\(identity.name)' holds something else than when it was planned",
                remedy: "plan again"
            )
        }
    }

    /// Its present content, read through this open file.
    func contents() -> DeviceContents? {
        guard let reader = reader() else { return nil }
        return DeviceContents(reader, sectorBytes: UInt64(identity.sectorBytes))
    }

    /// The checksums of the bytes by which the parts of a plan are judged.
    ///
    /// A block that cannot be read has none: the planner warned of it, and the write that erases it may mend it. After a kill
    /// its part has to be named again.
    ///
    /// - Parameter plan: A plan that has been compared with the disk.
    /// - Returns: Those of the blocks that are not zeros.
    /// - Throws: ``Refusal`` where the disk's ends cannot be read any more.
    func sums(of plan: ZapPlan) throws(Refusal) -> BlockSums {
        guard let contents = plan.inspection.contents else { return BlockSums() }
        guard let reader = reader() else {
            throw Refusal(
                .unreadable,
                "'\(identity.name)' cannot be read at its ends any more",
                remedy: "see what the kernel says of it (dmesg)"
            )
        }
        return BlockSums(reader, in: BegunZap.judged(contents))
    }

    /// Opens the same device again, even if its name now means another one; without O_EXCL, which is held already.
    private func reader() -> DiskReader? {
        guard let reader = try? DiskReader(path: "/proc/self/fd/\(io.descriptor.rawValue)"),
            reader.deviceNumber() == identity.device, reader.failures.isEmpty
        else { return nil }
        return reader
    }

    private static func refusal(_ error: KernelError, _ plan: ZapPlan, _ host: Host) -> Refusal {
        if error.isBusy {
            let holders = DeviceHolders(sysfs: host.sysfs.root, proc: host.proc).holders(of: plan.identity.name)
            let list = holders.map(\.description).joined(separator: ", ")
            let who = list.isEmpty ? "by the kernel, or in a process that is not visible here" : list
            return Refusal(.held, "'\(plan.identity.name)' is claimed: \(who)", remedy: "stop that first")
        }
        if error.isWriteRefused {
            return Refusal(
                .readOnly,
                "cannot write to \(error)",
                remedy: error.isNotAllowed ? "run as root" : "make it writable first"
            )
        }
        if error.isMissingDevice || error.isNotFound {
            return Refusal(
                .changed,
                "cannot claim \(error)",
                remedy: "see whether it is still attached, and plan again"
            )
        }
        return Refusal(.unreadable, "cannot claim \(error)", remedy: "see what the kernel says of it (dmesg)")
    }
}
