internal import Timestamps

/// Says when all disks of a node together have come a step further.
package struct CleanupProgress: Sendable {
    private var moments: [String: CleanupProgram.Moment] = [:]
    /// The last step that was told of each phase.
    private var told: [String: Int] = [:]

    /// The phases worth an Event, and the steps of each in percent.
    private static let steps = ["erasing": [0, 25, 50, 75], "verifying": [0, 50]]

    package init() {}

    /// Takes in what one disk says.
    ///
    /// - Returns: A sentence, if all disks in that phase have come to its next step.
    package mutating func news(_ moment: CleanupProgram.Moment) -> String? {
        moments[moment.path] = moment
        guard let steps = Self.steps[moment.phase] else { return nil }
        let phase = moments.values.filter { $0.phase == moment.phase && $0.total > 0 }
        let (done, total) = (phase.reduce(0) { $0 + $1.done }, phase.reduce(0) { $0 + $1.total })
        guard total > 0, let step = steps.last(where: { Double(done) / Double(total) * 100 >= Double($0) }),
            step > told[moment.phase] ?? -1
        else { return nil }
        told[moment.phase] = step
        let left = phase.compactMap(\.secondsLeft).max().map { ", \(Age(of: 0, at: $0)) left" } ?? ""
        let percent = Int(Double(done) / Double(total) * 100)
        return "\(moment.phase) \(phase.count == 1 ? "one disk" : "\(phase.count) disks"): \(percent) %\(left)"
    }
}
