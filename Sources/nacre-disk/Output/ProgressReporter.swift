internal import BlockDevices
internal import DiskZap
internal import JSON
internal import LinuxKernel

/// Shows the progress of disks: an updated line each on a terminal, periodic lines elsewhere, or JSON for programs.
struct ProgressReporter: Sendable {
    private static let frame = Duration.milliseconds(200)
    /// How often a log gets a line.
    private static let pace = Duration.seconds(10)

    private let disks: [(path: String, progress: ZapProgress)]

    private let form: ProgressOptions.Form

    init(_ disks: [(String, ZapProgress)], _ form: ProgressOptions.Form = .text) {
        self.disks = disks.map { (path: $0.0, progress: $0.1) }
        self.form = form
    }

    /// Returns when all are done; forwards an interruption to them.
    func run() {
        let isTerminal = Console.isTerminal && form == .text
        var drawn = 0
        var next = ContinuousClock.now + (isTerminal ? .zero : Self.pace)
        while true {
            if Interruption.came { disks.forEach { $0.progress.stop() } }
            let moments = disks.map { ($0.path, $0.progress.now) }
            let isOver = moments.allSatisfy { $0.1.phase == "done" }
            if isTerminal, !isOver {
                if drawn > 0 { Console.draw("\u{1B}[\(drawn)A") }
                for (path, moment) in moments { Console.draw("\r\u{1B}[K\(Self.line(path, moment))\n") }
                drawn = moments.count
            } else {
                let isTime = !isOver && .now >= next
                // Programs are told of each phase, also of one that is over by now, and of the end.
                for (path, progress) in disks where form == .json {
                    for moment in progress.takeBegun() { Console.note(Self.report(path, moment)) }
                }
                for (path, progress) in disks where isTime {
                    let moment = progress.now
                    guard moment.phase != "done" else { continue }
                    Console.note(form == .json ? Self.report(path, moment) : Self.line(path, moment))
                }
                if isTime { next = .now + Self.pace }
            }
            if isOver { return }
            Threads.pause(isTerminal ? Self.frame : .milliseconds(20))
        }
    }

    static func report(_ path: String, _ moment: ZapProgress.Snapshot) -> String {
        let left = moment.remaining.map { JSONValue.integer(Int64($0 / .seconds(1))) } ?? .null
        let fields: JSONValue = .fields([
            "path": .string(path), "phase": .string(moment.phase), "done": .size(moment.done),
            "total": .size(moment.total),
            "secondsLeft": left,
        ])
        return JSONValue.fields(["progress": fields]).compact
    }

    static func line(_ path: String, _ moment: ZapProgress.Snapshot) -> String {
        guard moment.total > 0 else { return "\(path): \(moment.phase)" }
        let percent = Int(Double(moment.done) / Double(moment.total) * 100)
        let rest = moment.remaining.map { ", \(humanTime($0)) left" } ?? ""
        return "\(path): \(moment.phase) \(percent) %, \(humanSize(moment.done)) of \(humanSize(moment.total)), "
            + "\(humanSize(UInt64(moment.bytesPerSecond)))/s\(rest)"
    }
}
