import Glibc
import LinuxKernel
import Testing

@testable import BlockDevices

@Suite("Signatures")
struct SignatureTests {
    /// Formats whose name alone is a mark, on 80 MiB of zeros.
    ///
    /// The others are compared with wipefs, in DiskTests.
    static let marks: [(String, UInt64, [UInt8])] = [
        ("ceph_bluestore", 0, Array("bluestore block device\n".utf8)),
        ("ceph_replacement", 0, Array("CEPH_DEVICE_BEING_REPLACED".utf8)),
        ("LVM1_member", 0, [0x48, 0x4D, 1]), ("DM_snapshot_cow", 0, Array("SnAp".utf8)),
        ("btrfs", 0x10040, Array("_BHRfS_M".utf8)),
        ("btrfs", 0x400_0040, Array("_BHRfS_M".utf8)), ("swap", 4086, Array("SWAP-SPACE".utf8)),
        ("swap", 65526, Array("SWAP-SPACE".utf8)), ("swsuspend", 4086, Array("S1SUSPEND".utf8)),
        ("gpt", 512, Array("EFI PART".utf8)), ("gpt", (80 << 20) - 4096, Array("EFI PART".utf8)),
        ("drbd", (80 << 20) - 4036, [0x83, 0x74, 0x02, 0x6D]), ("vdo", 0, Array("dmvdo001".utf8)),
        ("VMFS_volume_member", 1 << 20, [0x0D, 0xD0, 0x01, 0xC0]),
        ("promise_fasttrack_raid_member", (80 << 20) - 3087 * 512, Array("Promise Technology, Inc.".utf8)),
        ("isw_raid_member", (80 << 20) - 1024, Array("Intel Raid ISM Cfg Sig. ".utf8)),
        ("ddf_raid_member", (80 << 20) - 512, [0xDE, 0x11, 0xDE, 0x11]),
        // As `zpool create` wrote it, to the length of its list: Fixtures/zfs.img.xz.
        ("zfs_member", 16384, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x24]),
        ("zfs_member", (80 << 20) - (512 << 10) + 16384, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x24]),
        (
            "bcachefs", 0x200018,
            [0xC6, 0x85, 0x73, 0xF6, 0x66, 0xCE, 0x90, 0xA9, 0xD9, 0x6A, 0x60, 0xCF, 0x80, 0x3D, 0xF7, 0xEF]
        ),
    ]

    @Test("A mark is found at its place", arguments: marks)
    func found(format: String, offset: UInt64, magic: [UInt8]) {
        let device = MemorySource(sizeBytes: 80 << 20, parts: [(offset, magic)])
        #expect(FormatCatalog.signatures(on: device).map(\.format) == [format])
    }

    @Test(
        "A member of a RAID is found as mdadm wrote it, with its version",
        arguments: [
            ("0.90", (64 << 20) - 65536), ("1.0", (64 << 20) - 8192), ("1.1", 0), ("1.2", 4096),
        ] as [(String, UInt64)]
    )
    func raid(version: String, offset: UInt64) throws {
        let block = try Fixture.bytes("md-\(version)")
        let device = MemorySource(sizeBytes: 64 << 20, parts: [(offset, block)])
        let found = FormatCatalog.signatures(on: device)
        #expect(found.map(\.format) == ["linux_raid_member"] && found.map(\.mark.offset) == [offset])
        #expect(found[0].mark.note?.hasPrefix("version \(version)") ?? false)
        // A copy of the disk's first MiB at another place is not a member.
        let moved = MemorySource(sizeBytes: 64 << 20, parts: [(offset ^ 0x10_0000, block)])
        #expect(FormatCatalog.signatures(on: moved).isEmpty)
    }

    @Test("With one byte changed it is no mark", arguments: marks.filter { $0.0 != "LVM1_member" })
    func almost(format: String, offset: UInt64, magic: [UInt8]) {
        var wrong = magic
        // In some formats the last byte is a version, or a line feed that readers skip.
        wrong[0] ^= 0x10
        let device = MemorySource(sizeBytes: 80 << 20, parts: [(offset, wrong)])
        #expect(!FormatCatalog.signatures(on: device).contains { $0.format == format })
    }

    @Test(
        "Zeros of any size have no mark",
        arguments: [0, 1, 511, 512, 4096, 65536, 1 << 20, 3 << 20, 1 << 42] as [UInt64]
    )
    func zeros(size: UInt64) {
        #expect(FormatCatalog.signatures(on: MemorySource(sizeBytes: size)).isEmpty)
        #expect(DeviceContents(MemorySource(sizeBytes: size), sectorBytes: 512).isBlank)
    }

    @Test(
        "What mkfs and its kin make, blkid and we call the same",
        arguments: [
            "mkfs.ext2 -q", "mkfs.ext3 -q", "mkfs.ext4 -q", "mkfs.xfs -q -f", "mkswap", "mkfs.minix", "mkfs.bfs",
        ]
    )
    func tools(command: String) throws {
        guard system("command -v \(command.prefix { $0 != " " }) > /dev/null") == 0 else { return }
        let file = try ImageFile(size: 320 << 20)
        #expect(system("\(command) \(file.path) > /dev/null 2>&1") == 0)
        let contents = DeviceContents(try DiskReader(path: file.path), sectorBytes: 512)
        let own = contents.regions[0].signatures.first?.format
        #expect(own != nil)
        #expect(system("test \"$(blkid -p -o value -s TYPE \(file.path))\" = '\(own ?? "")'") == 0)
    }

    @Test("A file system whose checksum is wrong is a leftover, and no file system: blkid passes over it")
    func wrongChecksum() throws {
        let file = try ImageFile(size: 320 << 20)
        #expect(system("mkfs.xfs -q -f \(file.path) > /dev/null 2>&1") == 0)
        func judges() throws -> Set<Rejection.Judge> {
            var node = BlockNode(name: "sda", device: DeviceNumber(major: 8, minor: 0))
            node.sizeBytes = 6 << 30
            let contents = DeviceContents(try DiskReader(path: file.path), sectorBytes: 512)
            return Set(DiskInspection(node: node, contents: contents, tree: [node]).rejections.map(\.judge))
        }
        #expect(try judges() == [.cephVolume, .rook])
        // Its label. MatrixTests ask blkid.
        file.write([1], at: 108)
        #expect(try judges() == [.leftover])
    }

    @Test("Every format has a name of its own in the catalog")
    func names() {
        let names = FormatCatalog.formats.map(\.name)
        #expect(Set(names).count == names.count)
    }
}
