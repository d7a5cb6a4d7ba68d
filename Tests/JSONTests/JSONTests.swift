import ExactText
import JSON
import OrderedCollections
import Testing

@Suite("JSON")
struct JSONTests {
    private static func parse(_ text: String) throws(JSONError) -> JSONValue {
        try JSONValue(parsing: Array(text.utf8))
    }

    static let malformed: [(text: String, offset: Int)] = [
        ("", 0), (" ", 1), ("\n\t\r ", 4), ("{", 1), ("}", 0), ("[", 1), ("]", 0), (",", 0), (":", 0), ("\"", 1),
        ("nul", 3), ("nulL", 3), ("Null", 0), ("tru", 3), ("True", 0), ("fals", 4), ("FALSE", 0), ("undefined", 0),
        ("NaN", 0), ("Infinity", 0), ("-Infinity", 0), ("+1", 0), ("01", 1), ("-01", 2), ("1.", 0), (".5", 0),
        ("1e", 0), ("1e+", 0), ("-", 0), ("--1", 0), ("1.2.3", 3), ("0x10", 1), ("1_000", 1), ("1 2", 2), ("1,", 1),
        ("[1,]", 3), ("[,1]", 1), ("[1 2]", 3), ("[1", 2), ("[1}", 2), ("{]", 1), ("{\"a\"}", 4), ("{\"a\":}", 5),
        ("{\"a\":1,}", 7), ("{,}", 1), ("{\"a\" 1}", 5), ("{a:1}", 1), ("{1:2}", 1), ("{\"a\":1 \"b\":2}", 7),
        ("{\"a\":1}}", 7), ("{\"a\":1}x", 7), ("[]{}", 2), ("{\"a\":1,\"a\":1}", 7), ("{\"a\":1,\"\\u0061\":1}", 7),
        ("\"a", 2), ("\"\\\"", 3), ("\"\\x\"", 2), ("\"\\", 2), ("\"\\u\"", 3), ("\"\\u12\"", 5), ("\"\\u12g4\"", 5),
        ("\"\\ud800\"", 7), ("\"\\ud800\\n\"", 8), ("\"\\ud800\\u0041\"", 7), ("\"\\ud800\\ud800\"", 7),
        ("\"\\udc00\"", 1), ("\"\\uDFFF\\uD800\"", 1), ("\"a\u{0}b\"", 2), ("\"a\nb\"", 2), ("\"a\u{1f}\"", 2),
        ("'a'", 0), ("\u{FEFF}{}", 0), ("/* */{}", 0), ("{}//", 2), ("\u{A0}1", 0), ("\u{2028}1", 0),
    ]

    @Test("What is not JSON is refused at the byte where it stops to be", arguments: malformed)
    func refuses(text: String, offset: Int) {
        let error = #expect(throws: JSONError.self) { try Self.parse(text) }
        #expect(error?.offset == offset, "\(String(describing: error))")
    }

    @Test(
        "Strings that are not UTF-8 are refused",
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x80, 0x80], [0xE2, 0x82],
            [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5], [0xFE],
            [0xFF],
        ] as [[UInt8]]
    )
    func refusesInvalidUTF8(bytes: [UInt8]) {
        for prefix in [[], Array("\\n".utf8)] as [[UInt8]] {
            let error = #expect(throws: JSONError.self) {
                try JSONValue(parsing: [0x22] + prefix + bytes + [0x22])
            }
            #expect(error?.expected == "a string of valid UTF-8")
        }
        #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
    }

    @Test("64 levels of nesting are taken, one more is refused, and a million do not overflow the stack")
    func nesting() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let innermost = open == "[" ? "" : "1"
            func nested(_ depth: Int) -> String {
                String(repeating: open, count: depth) + innermost + String(repeating: close, count: depth)
            }
            _ = try Self.parse(nested(64))
            let error = #expect(throws: JSONError.self) { try Self.parse(nested(65)) }
            #expect(error?.expected.contains("64 levels") == true)
            #expect(throws: JSONError.self) { try Self.parse(String(repeating: open, count: 1_000_000)) }
        }
    }

    @Test("No byte sequence traps, whatever is cut off or flipped in a document")
    func fuzz() {
        let document = Array(#"{"a":[1,-2.5e+3,true,false,null,"x\u00e9\ud83d\ude00\\"],"b":{"c":"ü","d":{}}}"#.utf8)
        for count in 0..<document.count {
            #expect(throws: JSONError.self) { try JSONValue(parsing: Array(document[..<count])) }
        }
        for index in document.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = document
                changed[index] = byte
                _ = try? JSONValue(parsing: changed)
                if let value = try? JSONValue(parsing: changed) {
                    #expect((try? JSONValue(parsing: value.bytes)) == value)
                }
            }
        }
    }

    @Test("Documents come out as they went in, in their members' order")
    func roundTrip() throws {
        for text in [
            "null", "true", "false", "0", "-0", "1.50", "1e9", "9223372036854775807", "123456789012345678901234567890",
            "\"\"", #""a\"b\\c\n\r\t""#, #""\u0001\u007f""#, #""é😀""#, "[]", "[[],{}]", #"{"b":1,"a":2,"":3}"#,
        ] {
            #expect(String(decoding: try Self.parse(text).bytes, as: UTF8.self) == text)
        }
        #expect(
            try Self.parse(" [ 1 , { \"a\" : \"\\u00e9\\/\\b\\f\\ud83d\\ude00\" } ] ")
                == .array([.number(JSONNumber(1)), .object(["a": .string("é/\u{8}\u{c}😀")])])
        )
    }

    @Test(
        "Integers are exact in every way to write them",
        arguments: [
            ("0", 0), ("-0", 0), ("0.0", 0), ("0e999999999999999999999", 0), ("1", 1), ("-1", -1),
            ("1e9", 1_000_000_000),
            ("1E+3", 1000), ("1.0", 1), ("1.5e1", 15), ("1500e-2", 15), ("-12.30e1", -123), ("100e-2", 1),
            ("9223372036854775807", .max), ("-9223372036854775808", .min), ("9.223372036854775807e18", .max),
            ("9007199254740993", 9_007_199_254_740_993), ("0.000001e6", 1),
            ("9223372036854775808", nil), ("-9223372036854775809", nil), ("1e19", nil), ("1e400", nil), ("1.5", nil),
            ("1e-1", nil), ("0.1", nil), ("1e999999999999999999999", nil), ("1e-999999999999999999999", nil),
            ("99999999999999999999", nil),
        ] as [(String, Int64?)]
    )
    func integers(text: String, value: Int64?) throws {
        guard case .number(let number) = try Self.parse(text) else {
            Issue.record("\(text) is no number")
            return
        }
        #expect(number.int64 == value)
        #expect(JSONNumber(parsing: text)?.int64 == value)
    }

    @Test("A value shows its kind and nothing of its content")
    func hidesContent() throws {
        let value = try Self.parse(#"{"userKey":"TOP-SECRET-KEY"}"#)
        #expect("\(value)" == "an object")
        #expect(String(reflecting: value) == "an object")
        var dumped = ""
        dump(value, to: &dumped)
        #expect(!dumped.contains("SECRET"))
    }

    @Test("Names and strings of two spellings are two, and are written as they came")
    func spellings() throws {
        let text =
            #"{"caf"# + "\u{E9}" + #"":"caf"# + "\u{E9}" + #"","cafe"# + "\u{301}" + #"":"cafe"# + "\u{301}" + #""}"#
        let value = try Self.parse(text)
        #expect(value.bytes == Array(text.utf8))
        #expect(value["caf\u{E9}"] == .string("caf\u{E9}") && value["cafe\u{301}"] == .string("cafe\u{301}"))
        #expect(value["caf\u{E9}"] != value["cafe\u{301}"])
        #expect(Set([JSONValue.string("caf\u{E9}"), .string("cafe\u{301}")]).count == 2)
        // Kelvin's sign is a K to Swift.
        #expect(try Self.parse(#"{"\u212A":1,"K":2}"#)["K"] == .number(JSONNumber(2)))
    }

    @Test(
        "One element of a list that is no JSON by our rules is left out, and told where it lies; the others stay",
        arguments: [
            #"{"\u00e9":1,"\u00e9":2}"#, #"{"a":1,"a":2}"#, #"["\ud800"]"#, "tru", #"{"a":"]},{\"[","a":0}"#,

            String(repeating: "[", count: 70) + String(repeating: "]", count: 70),
        ]
    )
    func forgivingList(bad: String) throws {
        let text = #"{"kind":"List","items":[ {"n":1} ,"# + bad + #", {"n":[2]}],"end":{"items":[3]}}"#
        #expect(throws: JSONError.self) { try Self.parse(text) }
        let (document, unreadable) = try JSONValue.list(parsing: Array(text.utf8), elementsOf: "items")
        let expected = try Self.parse(#"{"kind":"List","items":[{"n":1},{"n":[2]}],"end":{"items":[3]}}"#)
        #expect(document == expected)
        #expect(unreadable.map { String(decoding: $0.bytes, as: UTF8.self) } == [bad])
    }

    @Test(
        "Outside of the list's elements nothing is forgiven",
        arguments: [
            #"{"items":[1,]}"#, #"{"items":[tru"#, #"{"items":[1 2]}"#, #"{"other":[tru]}"#,
            #"{"items":{"items":[tru]}}"#,
            #"{"items":[{"a":"x]}"#, #"{"items":[tru]"#, #"{"a":1,"a":2,"items":[]}"#, "[tru]",
        ]
    )
    func unforgiven(text: String) {
        #expect(throws: JSONError.self) { try JSONValue.list(parsing: Array(text.utf8), elementsOf: "items") }
    }
}
