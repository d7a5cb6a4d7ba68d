import TestSupport
import Testing

@Suite("Tables of kills")
struct KillTableTests {
    @Test("Two halves are the whole, about as long, and each has both ways of a table that has every step in two")
    func halves() {
        for count in 2..<40 {
            let all = Array(0..<count)
            let (one, other) = (KillTable.half(0, of: all), KillTable.half(1, of: all))
            #expect((one + other).sorted() == all)
            #expect(abs(one.count - other.count) <= 1)
        }
        let ways = (0..<5).flatMap { step in [false, true].map { (step: step, way: $0) } }
        for number in 0..<2 {
            let half = KillTable.half(number, of: ways)
            #expect(half.map(\.step) == Array(0..<5) && Set(half.map(\.way)).count == 2)
        }
    }
}
