import Testing

@testable import CephVolumes

@Suite("Marks of images that are being made")
struct BegunMarkTests {
    /// What librbd's `generate_image_id` writes, as `printf '%x%x'` does: of client 0x12 with 0x3456789a, of client 0x123 with
    /// 0x456789a, and so on.
    @Test("An id can fit several makers: all of them are named, in an order that is always the same")
    func makers() {
        let numbers = [0x12, 0x123, 0x1234, 0x1235, 0x23, 0x1]
        let notes = Dictionary(uniqueKeysWithValues: numbers.map { ("client.\($0)", #"{"time":"\#($0)"}"#) })
        let mark = BegunMark(.making, notes)
        #expect(mark.makers.map(\.clientID) == [0x1, 0x12, 0x23, 0x123, 0x1234, 0x1235])
        #expect(mark.makers(of: "12" + "3456789a").map(\.clientID) == [0x12, 0x123, 0x1234])
        #expect(mark.makers(of: "23" + "456789ab").map(\.clientID) == [0x23])
        #expect(mark.makers(of: "45" + "6789abcd").isEmpty)
    }

    @Test("Numbers of which librbd drops the first digits fit an id as others do that have these digits only")
    func longNumbers() {
        let mark = BegunMark(
            .cloning,
            ["client.\(0x123_4567)": #"{"time":"1"}"#, "client.\(0x23_4567)": #"{"time":"1"}"#, "client.5": "{}"]
        )
        #expect(mark.makers(of: "234567" + "89abcdef").map(\.clientID) == [0x23_4567, 0x123_4567])
    }
}
