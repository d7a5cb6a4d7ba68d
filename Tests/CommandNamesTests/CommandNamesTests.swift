import ArgumentParser
import Testing

@testable import CommandNames

private struct Program: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "program",
        subcommands: [Inspect.self, Table.self]
    )
}

private struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "inspect")
    @Argument var words: [String] = []
}

private struct Table: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "gpt", subcommands: [Show.self])
}

private struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "print", aliases: ["show"])
}

@Suite("A mistyped command")
struct CommandNamesTests {
    @Test(
        "What was meant is said with the whole path",
        arguments: [
            ("inspct", "program inspect"), ("isnpect", "program inspect"), ("Inspect", "program inspect"),
            ("gtp", "program gpt"), ("gpt prnt /dev/sda", "program gpt print"), ("gpt shwo", "program gpt show"),
            ("print /dev/sda", "program gpt print"), ("show", "program gpt show"),
            ("insp", "program inspect"), ("gpt pri", "program gpt print"), ("gpt help print", "program help gpt print"),
        ]
    )
    func meant(line: String, command: String) {
        let said = CommandNames.correction(of: line.split(separator: " ").map(String.init), in: Program.self)
        #expect(said?.hasSuffix("did you mean '\(command)'?") ?? false, "\(said ?? "nothing")")
    }

    @Test(
        "Nothing is said of what is right, is a flag, or is help",
        arguments: ["inspect", "inspect inspct", "gpt print", "--help", "-x inspct", "help", "help gpt", ""]
    )
    func nothing(line: String) {
        #expect(CommandNames.correction(of: line.split(separator: " ").map(String.init), in: Program.self) == nil)
    }

    @Test(
        "What resembles nothing is answered by what there is",
        arguments: [
            ("frobnicate", "program, which has inspect, gpt"), ("x", "program, which has inspect, gpt"),
            ("gpt rename", "program gpt, which has print"), ("gpt /", "program gpt, which has print"),
        ]
    )
    func unlike(line: String, answer: String) {
        let said = CommandNames.correction(of: line.split(separator: " ").map(String.init), in: Program.self)
        #expect(said?.hasSuffix(answer) ?? false, "\(said ?? "nothing")")
    }

    @Test("A short word resembles no other short word", arguments: ["/", "ab", "abx", "abxy", "rename"])
    func unlikeNames(word: String) {
        #expect(CommandNames.nearest(to: word, of: ["x", "xy", "acd", "data", "create"]) == nil)
    }

    @Test(
        "Slips are counted",
        arguments: [("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("", "abc", 3), ("abc", "xyz", 3)]
    )
    func distance(left: String, right: String, slips: Int) {
        #expect(CommandNames.distance(left, right) == slips)
    }
}
