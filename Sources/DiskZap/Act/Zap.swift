public import BlockDevices
internal import LinuxKernel

/// Carries out a plan and verifies the result.
///
/// The steps: remove the mappings, claim the disk, compare it with the plan, save its headers, erase, read back, update
/// the kernel's partitions. Nothing is written before the disk was claimed and compared.
public struct Zap: Sendable {
    let plan: ZapPlan
    let host: Host
    let progress: ZapProgress
    let backup: HeaderBackup?

    /// A zap of one device.
    ///
    /// - Parameters:
    ///   - plan: What to do.
    ///   - host: The host that it was planned for.
    ///   - backup: Saves the headers that are erased.
    ///   - progress: Where to tell how far it is.
    public init(_ plan: ZapPlan, on host: Host, backup: HeaderBackup? = nil, progress: ZapProgress = ZapProgress()) {
        self.plan = plan
        self.host = host
        self.backup = backup
        self.progress = progress
    }

    /// Erases several disks at once; each step is done on all disks before the next: look, claim, save headers, mark as begun,
    /// erase.
    ///
    /// So no mapping is removed before all disks were looked at, and no disk is written to before all are claimed and the
    /// headers of all are saved. And no disk loses information about the others, such as a db's cluster or a physical
    /// volume's group, before each of them carries its own marker; with `isAllOrNone` off that holds for those that can.
    ///
    /// - Parameters:
    ///   - zaps: What to do.
    ///   - limit: How many disks at a time.
    ///   - isAllOrNone: Whether to change no disk if one of them cannot be claimed, and to erase none if one of them cannot be
    ///     marked. If the headers of one cannot be saved, none is changed in any case.
    /// - Returns: What became of each.
    public static func run(_ zaps: [Zap], limit: Int, isAllOrNone: Bool = true) -> [ZapOutcome] {
        func step(_ runs: [ZapRun], _ step: @escaping @Sendable (ZapRun) -> ZapRun) -> [ZapRun] {
            Threads.run(limit: limit, runs.map { run in { @Sendable in step(run) } })
        }
        func together(_ runs: [ZapRun], _ other: ZapRun? = nil) -> [ZapRun] {
            guard let other = other ?? (isAllOrNone ? runs.first { $0.state != nil } : nil) else { return runs }
            return runs.map { run in
                run.after { run in
                    let message = "'\(other.zap.plan.path)', named with it, cannot be erased"
                    throw Refusal(.together, message, remedy: "mend that first, or leave it out")
                }
            }
        }
        let shared = SharedClaims(zaps.map(\.plan))
        var runs = together(step(zaps.map { ZapRun($0) }) { $0.after { try $0.look(shared) } })
        runs = together(step(runs) { $0.after { try $0.claim() } })
        let claimed = runs
        runs = step(runs) { $0.after { try $0.save() } }
        // Whoever wants headers saved may need any of them to see what was a mistake.
        runs = together(runs, zip(claimed, runs).first { $0.state == nil && $1.state != nil }?.1)
        runs = step(runs) { $0.after { try $0.mark() } }
        if isAllOrNone, let other = runs.first(where: { $0.state != nil }) {
            runs = runs.map { $0.after { try $0.stayMarked(because: other) } }
        }
        return step(runs) { $0.after { try $0.erase() } }.map(\.outcome)
    }
}
