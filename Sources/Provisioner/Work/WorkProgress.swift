/// How a queue tells that its work goes on, so that a process whose work hangs is started anew.
package struct WorkProgress: Sendable {
    /// For how long a queue that has work may neither begin nor end any: each call has a deadline of a few minutes.
    package static let limit = Duration.seconds(900)
    /// For who does not watch.
    package static let unwatched = WorkProgress(goesOn: {}, rests: {})

    let goesOn: @Sendable () -> Void
    let rests: @Sendable () -> Void

    /// - Parameters:
    ///   - goesOn: Called when a key is taken up, or done.
    ///   - rests: Called when there is no work.
    package init(goesOn: @escaping @Sendable () -> Void, rests: @escaping @Sendable () -> Void) {
        self.goesOn = goesOn
        self.rests = rests
    }
}
