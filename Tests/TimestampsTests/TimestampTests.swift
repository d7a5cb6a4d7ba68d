import FoundationEssentials
import Testing
import Timestamps

@Suite("Points in time")
struct TimestampTests {
    @Test(
        "They are written and read as Foundation does",
        arguments: [0, 951_782_400, 1_795_158_247, 4_107_542_399, -1, -86_401]
    )
    func agree(seconds: Int64) {
        let text = Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
        #expect(Timestamp.text(.seconds(seconds)) == text)
        #expect(Timestamp.seconds(parsing: text) == seconds)
    }

    @Test("What is no such text is not read", arguments: ["", "2026-11-21", "now", "2026-11-21T08:09Z"])
    func refuses(text: String) { #expect(Timestamp.seconds(parsing: text) == nil) }
}
