import Foundation
import Testing

@testable import ExactText

@Suite("Text by its bytes")
struct ExactTextTests {
    /// One and the same to Swift's strings, two to everybody else.
    private static let composed = "caf\u{E9}"
    private static let decomposed = "cafe\u{301}"

    @Test("Two spellings of one letter are two texts, in comparisons, sets, dictionaries and sorting")
    func spellings() {
        #expect(Self.composed == Self.decomposed)
        #expect(!Self.composed.isExactly(Self.decomposed))
        #expect(ExactText(Self.composed) != ExactText(Self.decomposed))
        #expect(Set([ExactText(Self.composed), ExactText(Self.decomposed)]).count == 2)
        #expect([ExactText(Self.composed): 1][ExactText(Self.decomposed)] == nil)
        #expect(ExactText(Self.decomposed) < ExactText(Self.composed))
        #expect(![Self.composed].containsExactly(Self.decomposed))
        #expect([Self.composed, Self.decomposed].sortedExactly()[0].isExactly(Self.decomposed))
        // Kelvin's sign is a K to Swift.
        #expect("\u{212A}" == "K" && !"\u{212A}".isExactly("K"))
    }

    @Test("A combining character behind a slash hides no part of a path")
    func separators() {
        let path = "/a/\u{338}../b"
        #expect(path.split(separator: "/").count == 2)
        #expect(path.parts(at: "/", omittingEmpty: true).count == 3)
        #expect("/a/../\u{301}b".parts(at: "/", omittingEmpty: true)[1].isExactly(".."))
        #expect(!"/a/\u{301}b".hasPrefix("/a/") && "/a/\u{301}b".startsExactly(with: "/a/"))
        #expect("x/\u{301}".endsExactly(with: "/\u{301}") && !"x/\u{301}".endsExactly(with: "/"))
        #expect("a//b".parts(at: "/").count == 3 && "a//b".parts(at: "/", omittingEmpty: true).count == 2)
        #expect("a=b=c".parts(at: "=", most: 1) == ["a", "b=c"])
        #expect("a\r\nb".parts(at: "\n") == ["a\r", "b"], "a carriage return and a line feed are one Character")
        #expect("/a/\u{301}b".behind("/a/")?.isExactly("\u{301}b") == true && "cafe\u{301}".behind("caf\u{E9}") == nil)
        #expect("".parts(at: "/").count == 1 && "".parts(at: "/", omittingEmpty: true).isEmpty)
    }

    @Test(
        "A path lies at or below a directory by its bytes",
        arguments: [
            ("/a/b", "/a", true), ("/a", "/a", true), ("/ab", "/a", false), ("/a/\u{301}b", "/a", true),
            ("/cafe\u{301}/b", "/caf\u{E9}", false), ("/", "/a", false), ("/a", "/", true), ("/", "/", true),
            ("a", "/", false), ("/a/", "/a", false),
        ]
    )
    func below(path: String, directory: String, isAtOrBelow: Bool) {
        #expect(path.isAtOrBelow(directory) == isAtOrBelow)
    }

    /// What Ceph lets anybody call an image or a lock.
    static let names = [
        "plain/name.0", "", "'", "''", "x'; touch PWNED; '", "$(touch PWNED)", "`touch PWNED`", "a b", "a\tb", "a\nb\n",
        #"\"#, #"a\'b"#, "\"", "!", "!!", "~", "*", "#x", "-n", "a;b", "a&b", "a|b", "<a>", "caf\u{E9}", "cafe\u{301}",
        "\u{202E}abc", "\u{7}", "\u{1B}[31m", "\u{85}", "\u{2028}", "=x", "{a,b}", "[a]", "%s",
    ]

    @Test("A shell takes a word as what it was, and runs nothing of it", arguments: names)
    func shellWord(name: String) throws {
        let word = name.shellWord
        #expect(!word.unicodeScalars.contains { $0.properties.generalCategory == .control || $0.value == 0x202E })
        #expect(word == name || word.hasPrefix("'") || word.hasPrefix("$'"))
        let shell = Process()
        let output = Pipe()
        shell.executableURL = URL(filePath: "/bin/bash")
        shell.arguments = ["-c", "printf '%s|%d' \(word) $#"]
        shell.standardOutput = output
        shell.standardError = FileHandle.nullDevice
        try shell.run()
        shell.waitUntilExit()
        let said = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(said.isExactly("\(name)|0"), "\(word)")
    }
}
