/// How a deed that takes something away is agreed to: one habit and one wording for every program.
///
/// On a terminal the program shows what it would do and wants a word typed; elsewhere it refuses, unless the command line
/// says what stands for the word. `--plan` shows the same and stops.
public struct Agreement: Sendable, Hashable {
    /// What would be done, such as `delete volume 'data'`.
    public let deed: String
    /// What has to be typed, as the question calls it: `data`, `its serial number`.
    public let word: String
    /// What a command line without a terminal says instead: `add --yes`.
    public let instead: String

    /// A deed, what is typed to agree to it, and what a script says instead.
    public init(to deed: String, typing word: String, instead: String) {
        self.deed = deed
        self.word = word
        self.instead = instead
    }

    /// What a person is asked.
    ///
    /// - Parameter plan: What would be done, a line each.
    /// - Returns: Ends where the answer is typed.
    public func question(_ plan: [String]) -> String {
        "This would \(deed):\n\(plan.map { "  \($0)\n" }.joined())Type \(word) to go on: "
    }

    /// What is said where nobody can be asked.
    public var unasked: String {
        "refusing to \(deed) unasked: this is no terminal; look at --plan, then \(instead)"
    }

    /// What is said to a wrong answer.
    ///
    /// - Parameter why: Such as `that was not 'data'`.
    /// - Returns: A sentence.
    public func denied(_ why: String) -> String { "nothing was done: \(why)" }
}
