internal import BlockDevices
internal import LinuxKernel

/// A zap under way: what was done so far, and its result once it has ended.
struct ZapRun: Sendable {
    let zap: Zap
    private let begin = ContinuousClock.now
    /// How it ended; `nil` while it goes on.
    private(set) var state: ZapOutcome.State?
    private var disk: ClaimedDisk?
    private var paths: OtherPathClaims?
    private var steps: [String] = []
    private var erased: UInt64 = 0
    private var verified: UInt64 = 0
    private var backup: String?
    private var sums = BlockSums()
    private var duration = Duration.zero

    init(_ zap: Zap) { self.zap = zap }

    private var plan: ZapPlan { zap.plan }
    private var host: Host { zap.host }

    /// This run after one more step; unchanged if it has ended.
    func after(_ step: (inout ZapRun) throws -> Void) -> ZapRun {
        guard state == nil else { return self }
        var next = self
        do {
            try step(&next)
        } catch let refusal as Refusal {
            next.state = .refused([refusal])
        } catch is Stopped {
            next.state = .interrupted
        } catch let error as KernelError {
            next.state = .failed("\(zap.progress.now.phase) ended at \(error); run it again when that is mended")
        } catch {
            next.state = .failed("\(error)")
        }
        if next.state != nil {
            next.duration = .now - begin
            next.disk = nil
            next.paths = nil
            zap.progress.begin("done", total: 0)
        }
        return next
    }

    /// What became of it.
    var outcome: ZapOutcome {
        ZapOutcome(
            path: plan.path,
            identity: plan.identity,
            state: state ?? .failed("it did not end"),
            steps: steps,
            bytesErased: erased,
            bytesVerified: verified,
            duration: duration,
            backup: backup
        )
    }

    /// Claims the other nodes of the disk, and looks for whoever keeps it from being erased; changes nothing.
    mutating func look(_ shared: SharedClaims) throws {
        guard plan.refusals.isEmpty else {
            state = .refused(plan.refusals)
            return
        }
        zap.progress.begin("looking", total: 0)
        paths = try OtherPathClaims(plan, host: host, shared: shared)
        try DiskUsers(plan, host).refuse()
        guard !plan.teardown.isEmpty else { return }
        let mapper = try DeviceMapper(control: "\(host.dev)/mapper/control")
        let refusals = try teardown().refusals(mapper)
        if !refusals.isEmpty { state = .refused(refusals) }
    }

    /// Removes the mappings on the disk, and claims it.
    mutating func claim() throws {
        if let refusals = try takeDown() {
            state = .refused(refusals)
            return
        }
        zap.progress.begin("claiming", total: 0)
        disk = try ClaimedDisk(plan, host: host)
    }

    /// Saves the headers that will be erased, if that is wanted.
    mutating func save() throws {
        guard let disk, let headers = zap.backup else { return }
        guard !zap.progress.isStopped else { throw Stopped() }
        backup = try headers.save(plan, from: disk, hash: plan.hash)
    }

    /// Writes the marker to the disk: that it is to be erased, and how.
    mutating func mark() throws {
        guard let disk else { return }
        guard !zap.progress.isStopped else { throw Stopped() }
        sums = try disk.sums(of: plan)
        try Eraser(disk, plan, zap.progress, sums: sums).writeMarker()
    }

    /// Ends with the marker and nothing else written, because another disk has ended before it had its own.
    mutating func stayMarked(because other: ZapRun) throws {
        if case .interrupted = other.state { throw Stopped() }
        state = .failed(
            "only the marker of a zap was written, for '\(other.zap.plan.path)', named with it, cannot be erased; "
                + "run it again when that is mended, or without that one"
        )
    }

    /// Erases, reads back, and has the kernel forget.
    mutating func erase() throws {
        guard let disk else { return }
        let eraser = Eraser(disk, plan, zap.progress, sums: sums)
        let done = try eraser.run()
        erased = done.bytes
        steps.append("erased \(erased) bytes\(done.isResumed ? ", after what an earlier zap had done" : "")")
        let verifier = Verifier(disk: disk, progress: zap.progress)
        var found = try verifier.leftovers(in: plan.ranges, keeping: eraser.marker)
        if !found.isEmpty, done.isOffloaded {
            erased += try eraser.rewrite()
            steps.append("wrote zeros where the device had only said so")
            found = try verifier.leftovers(in: plan.ranges, keeping: eraser.marker)
        }
        verified = plan.bytesToErase
        found += found.isEmpty ? verifier.signatures() : []
        guard found.isEmpty else {
            // The next zap shall not trust what this one believed to be done.
            try? eraser.forgetProgress()
            state = .leftovers(found)
            return
        }
        if let marker = eraser.marker, let paths {
            try paths.proving(marker, on: disk) { () throws(KernelError) in try eraser.eraseMarker() }
        } else {
            try eraser.eraseMarker()
        }
        found = try verifier.leftovers(in: eraser.marker.map { [$0] } ?? [], keeping: nil)
        try? disk.io.flushBuffers()
        if !plan.inspection.node.isPartition {
            let stale = KernelPartitions(sysfs: host.sysfs, name: plan.identity.name)
            steps += stale.forget(disk.io)
            found += stale.remaining()
        }
        if let forgotten = paths?.forget() {
            steps += forgotten.done
            found += forgotten.left
        }
        state = found.isEmpty ? .clean : .leftovers(found)
    }

    private func teardown() throws(KernelError) -> MapperTeardown {
        MapperTeardown(steps: plan.teardown, use: host.use(), tree: try host.tree())
    }

    private mutating func takeDown() throws -> [Refusal]? {
        guard !plan.teardown.isEmpty else { return nil }
        zap.progress.begin("taking down", total: 0)
        let mapper = try DeviceMapper(control: "\(host.dev)/mapper/control")
        let teardown = try teardown()
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
