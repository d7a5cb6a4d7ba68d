import BlockDevices
import JSON
import LinuxKernel
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

    @Test("Which disk it is on, and what its bytes were, is read back, in any runs of blocks")
    func proofs() throws {
        let sums: [UInt64: UInt32] = [0: 1, 4096: 0xFFFF_FFFF, 1 << 30: 0, (1 << 30) + 8192: 0x0A1B_2C3D]
        let record = ZapMarkerRecord(
            sizeBytes: Self.size,
            ranges: Self.ranges,
            parts: ["gpt:a:0+1"],
            isShredded: true,
            disk: "0123456789abcdef",
            sums: BlockSums(sums: sums)
        )
        let block = try #require(record.block)
        #expect(ZapMarkerRecord(block: block, sizeBytes: Self.size) == record)
    }

    private static func fingerprint(_ change: (inout BlockNode) -> Void) -> String? {
        var node = BlockNode(name: "sda", device: DeviceNumber(major: 8, minor: 0))
        change(&node)
        return ZapMarkerRecord.fingerprint(of: DiskIdentity(node))
    }

    @Test(
        "A serial number alone tells no disk in a dock, no namespace of a controller, and no disk that says zeros"
    )
    func fingerprints() {
        func hardware(_ serial: String?, _ name: String?, isUSB: Bool = false) -> String? {
            Self.fingerprint {
                ($0.hardware.serial, $0.hardware.worldWideName, $0.hardware.isUSB) = (serial, name, isUSB)
            }
        }
        for nobody in [
            hardware(nil, nil), hardware("0000", nil), hardware("S1", nil, isUSB: true),
            hardware(nil, "naa.5000000000000000"),
        ] { #expect(nobody == nil) }
        let all = [
            hardware("S1", nil), hardware("S2", nil), hardware("S1", "eui.01"), hardware("S1", "eui.02"),
            hardware("DOCK", "naa.5001", isUSB: true), hardware("DOCK", "naa.5002", isUSB: true),
            Self.fingerprint { $0.backingFile = "/a" }, Self.fingerprint { $0.backingFile = "/b" },
            Self.fingerprint { ($0.hardware.serial, $0.startBytes) = ("S1", 1 << 20) },
        ]
        #expect(Set(all.map { $0 ?? "none" }).subtracting(["none"]).count == all.count)
        #expect(hardware(nil, "naa.5001") == hardware(nil, "0x5001"), "sysfs and udev write it so")
    }

    @Test("A marker without a disk is nobody's, on a disk without names too")
    func nobodys() {
        let source = MemorySource(sizeBytes: 64 << 20)
        let contents = DeviceContents(source, sectorBytes: 512)
        let identity = DiskIdentity(BlockNode(name: "vda", device: DeviceNumber(major: 8, minor: 0)))
        let record = ZapMarkerRecord(sizeBytes: 64 << 20, ranges: [])
        #expect(!BegunZap(record, on: identity, contents, source).isOfThisDisk)
    }

    @Test("Checksums for which there is no room are left out, not the ranges, nor how far it got")
    func crowded() throws {
        let sums = Dictionary(uniqueKeysWithValues: (0..<2000).map { (UInt64($0) * 8192, UInt32($0)) })
        let record = ZapMarkerRecord(sizeBytes: Self.size, ranges: Self.ranges, sums: BlockSums(sums: sums))
        let block = try #require(record.block)
        let read = try #require(ZapMarkerRecord(block: block, sizeBytes: Self.size))
        #expect(read.sums == BlockSums() && read.ranges == Self.ranges)
        #expect(block.suffix(ZapCheckpoint.bytes).allSatisfy { $0 == 0 })
    }

    @Test(
        "A marker with a line that nobody writes is none, whatever hash it has",
        arguments: [
            "was", "was 4096", "was x:00000001", "was 0:1", "was 0:0000000g", "was 18446744073709551615:00000001",
            "was 18446744073709551615:", "was 0:00000001:0", "range 1+18446744073709551615", "range 5", "other 1",
            "size 1",
        ]
    )
    func forgedLine(line: String) {
        let text = "\(ZapMarker.magic)size \(Self.size)\n\(line)\n"
        let bytes = Array((text + "end \(SHA256.hexadecimal(text))\n").utf8)
        let block = bytes + [UInt8](repeating: 0, count: ZapMarker.bytes - bytes.count)
        let read = ZapMarkerRecord(block: block, sizeBytes: Self.size)
        #expect(
            read == nil || read?.sums == BlockSums() && read?.ranges.isEmpty ?? false,
            "\(String(describing: read))"
        )
    }

    @Test("A block that is not zeros and not as it was has changed; one that cannot be read, too")
    func changes() {
        let was = MemorySource(sizeBytes: 64 << 10, parts: [(0, [1]), (8192, [2]), (12288, [3])])
        let places = [ByteExtent(offset: 100, length: 16000)]
        let sums = BlockSums(was, in: places)
        #expect(Set(sums.sums.keys) == [0, 8192, 12288])
        let now = MemorySource(sizeBytes: 64 << 10, parts: [(0, [1]), (4096, [9]), (12288, [4])])
        let changed = sums.changed(now, in: places) { _, _ in false }.map(\.offset)
        #expect(changed == [4096, 12288])
        #expect(sums.changed(now, in: places) { offset, _ in offset == 4096 }.map(\.offset) == [12288])
    }

    @Test("Random bytes are noise; text, a label, a table and a run of one byte are not")
    func looks() {
        for _ in 0..<1000 { #expect(BegunZap.isNoise((0..<4096).map { _ in .random(in: 0...255) })) }
        let text = Array(String(repeating: "the quick brown fox ", count: 205).utf8.prefix(4096))
        let mixed: [UInt8] = (0..<4096).map { $0 < 2048 ? .random(in: 0...255) : 0 }
        let counted = (0..<4096).map { UInt8($0 / 16) }
        for bytes in [text, mixed, counted, [UInt8](repeating: 0x21, count: 4096)] { #expect(!BegunZap.isNoise(bytes)) }
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
            "a": .array([.integer(1), .fields(["b": .string("x\"\n"), "c": .null])]), "d": .array([]), "e": .size(.max),
        ])
        #expect(value.compact == #"{"a":[1,{"b":"x\"\n","c":null}],"d":[],"e":18446744073709551615}"#)
        #expect(
            value.pretty == """
                {
                  "a": [
                    1,
                    {
                      "b": "x\\"\\n",
                      "c": null
                    }
                  ],
                  "d": [],
                  "e": 18446744073709551615
                }
                """
        )
        #expect(value.yaml.hasPrefix("\"a\":\n  - 1\n  - \"b\": \"x\\\"\\n\"\n    \"c\": null\n\"d\": []"))
    }
}
