internal import BlockDevices
internal import DiskZap
internal import LinuxKernel

/// Several zaps at once, with one reporter.
struct ParallelZap {
    let plans: [ZapPlan]
    let host: Host
    let backup: HeaderBackup?
    let limit: Int
    /// Whether no disk is changed if one cannot be claimed.
    var isAllOrNone = true
    var progress = ProgressOptions.Form.text

    func run() -> [ZapOutcome] {
        let all = plans.map { ($0, ZapProgress()) }
        let reporter = ProgressReporter(all.map { ($0.0.path, $0.1) }, progress)
        Interruption.watch()
        let zaps = all.map { Zap($0.0, on: host, backup: backup, progress: $0.1) }
        let (limit, isAllOrNone) = (limit, isAllOrNone)
        let watch: @Sendable () -> [ZapOutcome] = {
            reporter.run()
            return []
        }
        let work: @Sendable () -> [ZapOutcome] = { Zap.run(zaps, limit: limit, isAllOrNone: isAllOrNone) }
        return Threads.run(limit: 2, [watch, work]).flatMap(\.self)
    }
}
