import BlockDevices
import Testing

@testable import DiskZap

@Suite("What an unfinished zap leaves")
struct MarkerTests {
    private static let size: UInt64 = 4 << 30
    private static let ranges = [ByteExtent(offset: 0, length: 100 << 20), ByteExtent(offset: 1 << 30, length: 4096)]

    @Test("The marker is read back as it was written")
    func roundTrip() throws {
        let record = ZapMarkerRecord(sizeBytes: Self.size, ranges: Self.ranges)
        let block = try #require(record.block)
        #expect(block.count == ZapMarker.bytes)
        #expect(ZapMarkerRecord(block: block, sizeBytes: Self.size) == record)
    }

    @Test("A marker of another size, or with any byte changed, is none", arguments: [0, 30, 33, 60, 100, 140])
    func damaged(offset: Int) throws {
        let block = try #require(ZapMarkerRecord(sizeBytes: Self.size, ranges: Self.ranges).block)
        #expect(ZapMarkerRecord(block: block, sizeBytes: Self.size - 512) == nil)
        var wrong = block
        wrong[offset] ^= 1
        #expect(ZapMarkerRecord(block: wrong, sizeBytes: Self.size) == nil)
    }

    @Test("Too many ranges are not noted, rather than half of them")
    func tooMany() {
        let ranges = (0..<2000).map { ByteExtent(offset: $0 * 1_000_000, length: 4096) }
        #expect(ZapMarkerRecord(sizeBytes: Self.size, ranges: ranges).block == nil)
    }

    @Test("Whether the first bytes may be noise is read back; a marker of before says that they are not")
    func noise() throws {
        for hasNoise in [true, false] {
            let record = ZapMarkerRecord(sizeBytes: Self.size, ranges: Self.ranges, hasNoise: hasNoise)
            let block = try #require(record.block)
            #expect(ZapMarkerRecord(block: block, sizeBytes: Self.size)?.hasNoise == hasNoise)
        }
    }

    @Test("How far it got is read back as it was written")
    func checkpoint() {
        let written = ZapCheckpoint(method: "shred 2", passes: 1, units: 3)
        #expect(ZapCheckpoint(block: written.block) == written)
        #expect(written.isPossible(fills: 3, units: 4))
        #expect(ZapCheckpoint(method: "zero", passes: 1).isPossible(fills: 1, units: 4), "all is overwritten")
    }

    /// The block with other text, and the hash of that.
    private static func forged(_ change: (String) -> [UInt8]) -> [UInt8] {
        let block = ZapCheckpoint(method: "shred 2", passes: 1, units: 3).block
        let text = String(decoding: block.prefix { $0 != 0 }, as: UTF8.self)
        let covered = change(String(text[..<(text.firstRange(of: "\nend ")?.lowerBound ?? text.endIndex)]) + "\n")
        let bytes = covered + "end \(SHA256.hexadecimal(String(decoding: covered, as: UTF8.self)))\n".utf8
        return bytes + [UInt8](repeating: 0, count: max(0, ZapCheckpoint.bytes - bytes.count))
    }

    @Test(
        "How far it got is not believed where no erasure can have got there, whatever hash it has",
        arguments: [
            "pass -1", "pass 4", "pass 3", "pass 99999999999999999999", "pass 4294967295", "unit -1", "unit 4",
            "unit 4294967296", "bytes 1", "bytes -1",
        ]
    )
    func impossible(line: String) {
        let word = line.prefix { $0 != " " }
        let block = Self.forged { text in
            Array(
                text.split(separator: "\n").map { $0.hasPrefix("\(word) ") ? line : String($0) }.joined(separator: "\n")
                    .utf8
            ) + [0x0A]
        }
        let found = ZapCheckpoint(block: block)
        #expect(found?.isPossible(fills: 3, units: 4) != true, "\(String(describing: found))")
    }

    @Test("Bytes that are no text, a name that fills the block, and what is cut off are no place to go on at")
    func hostile() {
        let long = Self.forged { text in
            Array(text.replacing("shred 2", with: String(repeating: "x", count: 3900)).utf8)
        }
        #expect(ZapCheckpoint(block: long).map { $0.method.count } ?? 3900 == 3900)
        let strange = Self.forged { text in
            Array(text.utf8).flatMap { $0 == 0x32 ? [UInt8](repeating: 0xFF, count: 3000) : [$0] }
        }
        #expect(ZapCheckpoint(block: strange) == nil)
        let more = Self.forged { text in Array((text + "pass 2\n").utf8) }
        #expect(ZapCheckpoint(block: more) == nil)
        let whole = ZapCheckpoint(method: "zero").block
        for count in [0, 1, 100, 4095] { #expect(ZapCheckpoint(block: Array(whole.prefix(count))) == nil) }
        #expect(ZapCheckpoint(block: [UInt8](repeating: 0xFF, count: 4096)) == nil)
    }

    @Test("SHA-256 is that of the standard")
    func digest() {
        #expect(SHA256.hexadecimal("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let long = String(repeating: "a", count: 1000)
        #expect(SHA256.hexadecimal(long) == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3")
    }

    @Test("Reports are JSON, and YAML of the same")
    func reports() {
        let value = JSONValue.fields([
            "a": .list([.number(1), .fields(["b": "x\"\n", "c": .null])]), "d": .list([]), "e": .size(.max),
        ])
        #expect(value.compact == #"{"a":[1,{"b":"x\"\n","c":null}],"d":[],"e":18446744073709551615}"#)
        #expect(value.yaml.hasPrefix("\"a\":\n  - 1\n  - \"b\": \"x\\\"\\n\"\n    \"c\": null\n\"d\": []"))
    }
}
