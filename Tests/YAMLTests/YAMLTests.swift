import ExactText
import JSON
import OrderedCollections
import Testing
import YAML

@Suite("YAML")
struct YAMLTests {
    private func parse(_ text: String) throws -> String {
        String(decoding: try JSONValue(parsingYAML: Array(text.utf8)).bytes, as: UTF8.self)
    }

    @Test(
        "What YAML says as JSON",
        arguments: [
            ("", "null"),
            ("# only words\n", "null"),
            ("a: 1\nb: yes\nc: 'true'\nd: true\ne:\n", #"{"a":1,"b":"yes","c":"true","d":true,"e":null}"#),
            ("- 1.5\n- -2\n- 010x\n- ~\n", #"[1.5,-2,"010x",null]"#),
            ("a:\n- b: c\n  d: [1, 2]\n", #"{"a":[{"b":"c","d":[1,2]}]}"#),
            ("text: |\n  two\n  lines\n", #"{"text":"two\nlines\n"}"#),
            (#"{"it": ["is", "JSON"], "too": {}}"#, #"{"it":["is","JSON"],"too":{}}"#),
            ("---\na: ü\n...\n", #"{"a":"ü"}"#),
            ("1: x\ntrue: y\n", #"{"1":"x","true":"y"}"#),
            ("caf\u{E9}: 1\ncafe\u{301}: 2\n", "{\"caf\u{E9}\":1,\"cafe\u{301}\":2}"),
        ]
    )
    func reading(text: String, json: String) throws {
        #expect(try parse(text) == json)
    }

    @Test(
        "What is not taken, with its line",
        arguments: [
            ("a: b: c\n", 1), ("a: 1\nb: *x\n", 2), ("a: &x 1\nb: !!binary aa==\n", 2), ("a: 1\na: 2\n", 2),
            ("a: 1\n---\nb: 2\n", 3), ("[1, 2\n", 2), ("? [a]\n: b\n", 1), ("a:\n\t- b\n", 2), ("a: \u{1}\n", 1),
        ]
    )
    func refusing(text: String, line: Int) {
        let error = #expect(throws: YAMLError.self) { try parse(text) }
        #expect(error.map { abs($0.line - line) <= 1 } == true, "\(String(describing: error))")
    }

    @Test("Nesting is bounded")
    func nesting() {
        let text = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        #expect(throws: YAMLError.self) { try parse(text) }
    }

    @Test(
        "A string stays a string",
        arguments: [
            "", "~", "null", "true", "yes", "No", "on", "1", "-1", "1.0", "1e3", "010", "0x1f", "12:30:45",
            "2026-11-21",
            ".5", "+1", "- a", "a: b", "a #b", "'quoted'", "\"", "two\nlines", " padded ", "ü", "\u{7}", "*", "&a",
            "!t",
            "0001-0009-rook-ceph", "a/rbd//csi-vol-1", "%x", "@x", "`x", "{", "[", "?", ":", "-",
        ]
    )
    func strings(text: String) throws {
        let value = JSONValue.object(["key": .array([.string(text)]), ExactText(text): .string("name")])
        #expect(try JSONValue(parsingYAML: Array(value.yaml.utf8)) == value, "\(value.yaml)")
    }

    @Test("Block style, two spaces, empty things in flow style")
    func writing() throws {
        let value = try JSONValue(
            parsing: Array(#"{"a":[{"b":1,"c":"x"},{"b":2}],"d":{},"e":[],"f":{"g":null,"h":false}}"#.utf8)
        )
        #expect(
            value.yaml == """
                a:
                - b: 1
                  c: x
                - b: 2
                d: {}
                e: []
                f:
                  g: null
                  h: false

                """
        )
    }
}
