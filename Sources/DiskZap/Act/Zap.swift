public import BlockDevices
internal import LinuxKernel

/// Does what a plan says, and then looks whether it is so.
///
/// Take the stack down, claim the disk, compare it with the plan, save its headers, erase, read back, have the kernel
/// read the partition table again. Nothing is written before the disk was claimed and compared.
public struct Zap: Sendable {
    let plan: ZapPlan
    let host: Host
    let progress: ZapProgress
    let backupDirectory: String?

    /// A zap of one device.
    ///
    /// - Parameters:
    ///   - plan: What to do.
    ///   - host: The host that it was planned for.
    ///   - backupDirectory: Where to save the headers that are erased.
    ///   - progress: Where to tell how far it is.
    public init(_ plan: ZapPlan, on host: Host, backupDirectory: String? = nil, progress: ZapProgress = ZapProgress()) {
        self.plan = plan
        self.host = host
        self.backupDirectory = backupDirectory
        self.progress = progress
    }

    /// Does it.
    public func run() -> ZapOutcome {
        let begin = ContinuousClock.now
        var log = Log()
        let state: ZapOutcome.State
        do {
            state = try perform(&log)
        } catch let refusal as Refusal {
            state = .refused([refusal])
        } catch is Stopped {
            state = .interrupted
        } catch {
            state = .failed("\(error)")
        }
        progress.begin("done", total: 0)
        return ZapOutcome(
            path: plan.path,
            identity: plan.identity,
            state: state,
            steps: log.steps,
            bytesErased: log.erased,
            bytesVerified: log.verified,
            duration: .now - begin,
            backup: log.backup
        )
    }

    private struct Log {
        var steps: [String] = []
        var erased: UInt64 = 0
        var verified: UInt64 = 0
        var backup: String?
    }

    private func perform(_ log: inout Log) throws -> ZapOutcome.State {
        guard plan.refusals.isEmpty else { return .refused(plan.refusals) }
        if let refusals = try takeDown(&log.steps) { return .refused(refusals) }
        let disk = try ClaimedDisk(plan, host: host)
        if let backupDirectory {
            log.backup = try HeaderBackup(directory: backupDirectory).save(plan, from: disk, hash: plan.hash)
        }
        let eraser = Eraser(disk, plan, progress)
        try eraser.writeMarker()
        log.erased = try eraser.run()
        log.steps.append("erased \(log.erased) bytes")
        let verifier = Verifier(disk: disk, progress: progress)
        var found = try verifier.findings(in: plan.ranges, keeping: eraser.marker)
        log.verified = plan.bytesToErase
        guard found.isEmpty else { return .leftovers(found) }
        try eraser.eraseMarker()
        found = try verifier.findings(in: eraser.marker.map { [$0] } ?? [], keeping: nil)
        try? disk.io.flushBuffers()
        let stale = KernelPartitions(disk: disk, sysfs: host.sysfs, name: plan.identity.name)
        if !plan.inspection.node.isPartition { log.steps += stale.forget() }
        found += plan.inspection.node.isPartition ? [] : stale.remaining()
        return found.isEmpty ? .clean : .leftovers(found)
    }

    private func takeDown(_ steps: inout [String]) throws -> [Refusal]? {
        guard !plan.teardown.isEmpty else { return nil }
        progress.begin("taking down", total: 0)
        let mapper = try DeviceMapper(control: "\(host.dev)/mapper/control")
        let teardown = MapperTeardown(steps: plan.teardown, use: host.use(), tree: try host.tree())
        let refusals = teardown.refusals(mapper)
        guard refusals.isEmpty else { return refusals }
        var done: [String] = []
        defer { steps += done }
        try teardown.run(mapper) { done.append($0) }
        let links = StaleLinks(dev: host.dev)
        done += links.remove(of: plan.teardown).map { "removed \($0)" }
        return nil
    }
}
