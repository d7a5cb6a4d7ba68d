internal import BlockDevices
internal import DiskZap
internal import LinuxKernel

/// Several zaps at once, with one reporter.
struct ParallelZap {
    let plans: [ZapPlan]
    let host: Host
    let backup: String?
    let limit: Int

    func run() -> [ZapOutcome] {
        let all = plans.map { ($0, ZapProgress()) }
        let reporter = ProgressReporter(all.map { ($0.0.path, $0.1) })
        Interruption.watch()
        let (host, backup) = (host, backup)
        let watch: @Sendable () -> ZapOutcome? = {
            reporter.run()
            return nil
        }
        let zaps = all.map { plan, progress in
            { @Sendable () -> ZapOutcome? in
                Zap(plan, on: host, backupDirectory: backup, progress: progress).run()
            }
        }
        // The reporter takes one of the threads.
        return Threads.run(limit: min(limit, plans.count) + 1, [watch] + zaps).compactMap(\.self)
    }
}
