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
