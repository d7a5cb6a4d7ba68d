import RBD
import Testing

@Suite("What a node writes into its lock")
struct HolderRecordTests {
    private let record = HolderRecord(
        node: "worker-1",
        address: "10.0.0.7:0/123456",
        since: 1_795_248_587,
        mapper: "nbd",
        host: "h",
        bootID: "b",
        process: .init(pid: 12, startTime: 345),
        keeper: .init(pid: 11, startTime: 344)
    )

    @Test("is read as it was written")
    func roundTrip() {
        #expect(HolderRecord(parsing: record.text) == record)
        #expect(record.text.contains("node=worker-1 address=10.0.0.7:0/123456 since=2026-11-21T08:09:47Z mapper=nbd"))
        var kernel = record
        (kernel.process, kernel.keeper, kernel.mapper) = (nil, nil, "krbd")
        #expect(HolderRecord(parsing: kernel.text) == kernel)
        #expect(kernel.tenure != record.tenure)
    }

    @Test("is a word a name, whatever the name holds")
    func escapes() {
        var odd = record
        odd.node = "a b\nprocess=1/1"
        #expect(HolderRecord(parsing: odd.text)?.process == record.process)
        odd.node = ""
        #expect(HolderRecord(parsing: odd.text)?.node == "-")
    }

    @Test("is nothing when any of it is missing, or it is another's cookie")
    func refuses() {
        #expect(HolderRecord(parsing: "auto 139971709113200") == nil)
        #expect(HolderRecord(parsing: "") == nil)
        let words = record.text.split(separator: " ")
        for index in words.indices.prefix(6) {
            var rest = words
            rest.remove(at: index)
            #expect(HolderRecord(parsing: rest.joined(separator: " ")) == nil)
        }
        for length in 0..<record.text.count {
            _ = HolderRecord(parsing: String(record.text.prefix(length)))
        }
    }

    @Test("tells servers of one keeper from those of another, and not from each other")
    func tenure() {
        var successor = record
        successor.process = .init(pid: 99, startTime: 999)
        successor.address = "10.0.0.7:0/777"
        #expect(successor.tenure == record.tenure)
        successor.keeper = .init(pid: 99, startTime: 998)
        #expect(successor.tenure != record.tenure)
    }
}
