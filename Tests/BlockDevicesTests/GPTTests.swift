import Glibc
import LinuxKernel
import Testing

@testable import BlockDevices

@Suite(
    "Partition tables, against sgdisk both ways",
    .enabled(if: access("/usr/sbin/sgdisk", X_OK) == 0, "needs sgdisk")
)
struct GPTTests {
    static let disk = "CAFECAFE-9B03-4F30-B4C6-B4B80CEFF106"

    @Test("sgdisk finds no fault in a table that we wrote", arguments: [2 << 20, 64 << 20, 300 << 20])
    func ourTable(size: Int) throws {
        let file = try ImageFile(size: size)
        var layout = try GPTLayout(
            sizeBytes: UInt64(size),
            sectorBytes: 512,
            diskGUID: try #require(GUID(text: Self.disk))
        )
        let blocks = try layout.blocks(from: .standard, to: .standard)
        let type = try #require(PartitionType.parse("ceph-block"))
        let unique = try #require(GUID(text: "11111111-2222-3333-4444-555555555555"))
        try layout.add(
            nil,
            GPTEntry(
                type: type,
                unique: unique,
                firstLBA: blocks.lowerBound,
                lastLBA: blocks.upperBound,
                name: "ceph bløck"
            )
        )
        for (offset, bytes) in layout.writes { file.write(bytes, at: Int(offset)) }
        #expect(system("sgdisk -v \(file.path) 2>&1 | grep -q 'No problems found'") == 0)
        #expect(system("sgdisk -i 1 \(file.path) | grep -q 'CAFECAFE-9B03-4F30-B4C6-B4B80CEFF106'") == 0)
        #expect(system("sgdisk -i 1 \(file.path) | grep -q 'ceph bløck'") == 0)
        #expect(system("sgdisk -b \(file.path).backup \(file.path) > /dev/null") == 0)
        let backup = try KernelFile.bytes("\(file.path).backup")
        unlink("\(file.path).backup")
        let restored = try GPTLayout(backup: backup, sizeBytes: UInt64(size), sectorBytes: 512)
        #expect(restored.writes.map(\.bytes) == layout.writes.map(\.bytes))
        #expect(try layout.backup() == backup)
    }

    @Test("We read what sgdisk wrote, to the byte")
    func theirTable() throws {
        let file = try ImageFile(size: 64 << 20)
        let command = "sgdisk -o -U \(Self.disk) -n 1:0:+10M -t 1:F800 -c 1:data -n 3:0:0 -t 3:F807 \(file.path)"
        #expect(system("\(command) > /dev/null") == 0)
        let source = MemorySource(try KernelFile.bytes(file.path))
        let gpt = try #require(GPT(source, sectorBytes: 512))
        #expect(gpt.primary.isValid && gpt.backup.isValid && gpt.stray == nil)
        #expect(gpt.problems(mbr: MBR(source, sectorBytes: 512)).isEmpty)
        #expect(gpt.partitions.map(\.number) == [1, 3])
        #expect(gpt.partitions[0].entry.firstLBA == 2048)
        #expect(gpt.partitions[0].entry.lastLBA == 22527)
        #expect(PartitionType.of(gpt.partitions[0].entry.type)?.name == "ceph-data")
        let layout = try GPTLayout(gpt, sizeBytes: 64 << 20)
        let written = layout.writes
        #expect(written.map(\.offset) == [(64 << 20) - 16896, 0], "the backup, then the primary with the MBR")
        for (offset, bytes) in written {
            let skipped = offset == 0 ? 512 : 0
            let theirs = source.bytes(at: offset + UInt64(skipped), count: bytes.count - skipped)
            #expect(theirs.elementsEqual(bytes[skipped...]), "at \(offset)")
        }
        // Only the last cylinder, head and sector differ, which no one reads: sgdisk reckons with a geometry.
        let record = source.bytes(at: 0, count: 512)
        #expect(
            zip(record, written[1].bytes).enumerated().filter { $1.0 != $1.1 }.allSatisfy { 451...453 ~= $0.offset }
        )
    }

    @Test(
        "A broken part is named and the rest is used",
        arguments: [
            (512, "primary header"), (1024, "primary entries"), ((64 << 20) - 512, "backup header"),
            ((64 << 20) - 16896, "backup entries"), (510, "protective MBR"),
        ]
    )
    func broken(offset: Int, part: String) throws {
        let file = try ImageFile(size: 64 << 20)
        #expect(system("sgdisk -o -n 1:0:0 -t 1:F806 \(file.path) > /dev/null") == 0)
        file.write([0x77], at: offset)
        let source = MemorySource(try KernelFile.bytes(file.path))
        let gpt = try #require(GPT(source, sectorBytes: 512))
        #expect(gpt.problems(mbr: MBR(source, sectorBytes: 512)).contains { $0.part == part })
        #expect(gpt.partitions.map(\.number) == [1])
        let layout = try GPTLayout(gpt, sizeBytes: 64 << 20)
        for (offset, bytes) in layout.writes { file.write(bytes, at: Int(offset)) }
        #expect(system("sgdisk -v \(file.path) 2>&1 | grep -q 'No problems found'") == 0)
    }

    @Test("A backup that stayed behind when the disk grew is found, and repaired to the new end")
    func grown() throws {
        let file = try ImageFile(size: 64 << 20)
        #expect(system("sgdisk -o -n 1:0:0 \(file.path) > /dev/null && truncate -s 100M \(file.path)") == 0)
        let source = try DiskReader(path: file.path)
        let gpt = try #require(GPT(source, sectorBytes: 512))
        let old: UInt64 = (64 << 20) / 512 - 1
        #expect(gpt.stray?.lba == old)
        #expect(gpt.extents.contains { $0.offset == old * 512 })
        #expect(FormatCatalog.signatures(on: source).contains { $0.mark.offset == old * 512 })
    }

    @Test("A clone of a larger disk whose own old backup is still at its end: none is preferred, either can be chosen")
    func contradictory() throws {
        let (clone, large) = (try ImageFile(size: 64 << 20), try ImageFile(size: 128 << 20))
        #expect(system("sgdisk -o -n 1:0:+5M \(clone.path) > /dev/null") == 0)
        #expect(system("sgdisk -o -U \(Self.disk) -n 1:0:+10M -n 2:0:+90M \(large.path) > /dev/null") == 0)
        #expect(system("dd if=\(large.path) of=\(clone.path) bs=1M count=20 conv=notrunc status=none") == 0)
        let gpt = try #require(GPT(MemorySource(try KernelFile.bytes(clone.path)), sectorBytes: 512))
        #expect(gpt.isContradictory && gpt.problems(mbr: nil).contains { $0.text.contains("another table's") })
        #expect(throws: GPTLayoutError.self) { try GPTLayout(gpt, sizeBytes: 64 << 20) }
        var primary = try GPTLayout(gpt, sizeBytes: 64 << 20, from: .primary)
        #expect(primary.diskGUID.description.uppercased() == Self.disk)
        // What does not fit is saved, and can be taken out; only then is it written.
        #expect(try primary.backup().count == 1536 + 128 * 128)
        #expect(throws: GPTLayoutError.self) { try primary.check() }
        try primary.remove(2)
        try primary.check()
        let backup = try GPTLayout(gpt, sizeBytes: 64 << 20, from: .backup)
        #expect(backup.entries.count == 1 && backup.diskGUID != primary.diskGUID)
    }

    @Test("Boot code comes from the saved MBR, else the disk's is kept", arguments: [true, false])
    func bootCode(isSaved: Bool) throws {
        let code = { (byte: UInt8) in
            [UInt8](repeating: byte, count: 446) + [UInt8](repeating: 0, count: 64) + [0x55, 0xAA]
        }
        let guid = try #require(GUID(text: Self.disk))
        var saved = try GPTLayout(sizeBytes: 64 << 20, sectorBytes: 512, diskGUID: guid).backup()
        saved.replaceSubrange(0..<512, with: isSaved ? code(7) : [UInt8](repeating: 0, count: 512))
        var layout = try GPTLayout(backup: saved, sizeBytes: 64 << 20, sectorBytes: 512)
        layout.keepBootCode(of: code(9))
        let first = try #require(layout.writes.last)
        #expect(first.offset == 0 && first.bytes.prefix(446).allSatisfy { $0 == (isSaved ? 7 : 9) })
    }

    @Test(
        "Places are understood as sgdisk understands them",
        arguments: [
            ("0", GPTPlace.standard), ("2048", .block(2048)), ("10G", .bytes(10 << 30)), ("+10M", .after(10 << 20)),
            ("-1GiB", .before(1 << 30)),
        ]
    )
    func places(text: String, place: GPTPlace) { #expect(GPTPlace(text) == place) }

    @Test("What is no place is refused", arguments: ["", "x", "+", "10", "G", "+10", "99999999999999999999T", "-"])
    func noPlaces(text: String) { #expect(GPTPlace(text) == nil || text == "10") }

    @Test("Extended boot records that form a ring end")
    func ring() {
        var sector = [UInt8](repeating: 0, count: 512)
        sector[450] = 5
        sector[454] = 1
        sector[458] = 100
        sector.replaceSubrange(510..<512, with: [0x55, 0xAA])
        var record = sector
        record[450] = 0x83
        record[466] = 5
        record[470] = 0
        let source = MemorySource(sizeBytes: 1 << 20, parts: [(0, sector), (512, record)])
        #expect(MBR(source, sectorBytes: 512)?.chain == [1])
    }
}
