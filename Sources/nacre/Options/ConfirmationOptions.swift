import ArgumentParser
import Blocking
import CommandNames
import ExactText

/// How a destructive action is confirmed, in the same way in every command.
///
/// On a terminal the command shows what it would do and asks for the name of its target; elsewhere it refuses, unless
/// `--yes` is given. `--plan` only shows it.
struct ConfirmationOptions: ParsableArguments {
    @Flag(help: "Show what would be done, and stop.")
    var plan = false

    @Flag(name: .shortAndLong, help: "Do not ask; needed where there is no terminal.")
    var yes = false

    mutating func validate() throws {
        guard !plan || !yes else { throw ValidationError("--plan and --yes exclude each other") }
    }
}

extension Session {
    /// Shows what would be done and asks for the target's name, unless `--yes` was given.
    ///
    /// - Parameters:
    ///   - options: The confirmation options of the command line.
    ///   - deed: What would be done, such as `delete volume 'data'`.
    ///   - word: What is to be typed.
    ///   - plan: The deed, a line each.
    /// - Throws: `CommandFailure` if no person can be asked, or the answer differs.
    func confirm(_ options: ConfirmationOptions, _ deed: String, word: String, plan: [String]) async throws {
        guard !options.yes else { return }
        let agreement = Agreement(to: deed, typing: word, instead: "add --yes")
        guard terminal.isInteractive else { throw CommandFailure(.usage, agreement.unasked) }
        Terminal.say(agreement.question(plan))
        // On a thread of its own: on the only one of a small machine it would keep Ctrl-C from being heard.
        let typed = await budget.pausing { await BlockingPool(threads: 1).run { readLine() } } ?? ""
        guard Self.words(typed) == Self.words(word) else {
            throw CommandFailure(.failed, agreement.denied("that was not '\(word)'"))
        }
    }

    private static func words(_ text: String) -> [String] { text.parts(at: " ", omittingEmpty: true) }
}
