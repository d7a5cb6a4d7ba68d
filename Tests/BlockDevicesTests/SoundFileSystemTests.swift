import Glibc
import LinuxKernel
import Testing

@testable import BlockDevices

/// Real file systems with real files, in which stands what marks a disk elsewhere.
@Suite("A file system and what its files may hold")
struct SoundFileSystemTests {
    static let sizeBytes = 400 << 20

    /// The marks of the catalogue's table at their places on such a device.
    static let marks = SignatureTests.marks.map { mark in
        // The table is for 80 MiB; what is counted from the end moves with it.
        mark.1 < 70 << 20 ? mark : (mark.0, mark.1 + UInt64(sizeBytes) - (80 << 20), mark.2)
    }

    private func made(_ command: String) throws -> ImageFile {
        let file = try ImageFile(size: Self.sizeBytes)
        try #require(system("\(command) \(file.path) > /dev/null 2>&1") == 0)
        return file
    }

    private func run(_ command: String) -> Int32 { system("{ \(command); } > /dev/null 2>&1") }

    @Test(
        "A mark in a file's data says nothing against a valid ext4, and everything against anything else",
        arguments: ["-b 4096", "-b 1024", "-O ^metadata_csum,^64bit"]
    )
    func ext4(options: String) throws {
        let file = try ImageFile(size: 80 << 20)
        #expect(run("mkfs.ext4 -q -m 0 \(options) \(file.path)") == 0)
        // Real file data to the last block: more than there is room for.
        let data = "\(file.path).data"
        _ = run("head -c 78M /dev/zero | tr '\\0' x > \(data); debugfs -w -R 'write \(data) big' \(file.path)")
        unlink(data)
        let sound = try #require(ExtSuperblock(try DiskReader(path: file.path)))
        var tried: Set<String> = []
        for (format, offset, magic) in SignatureTests.marks {
            let block = offset / sound.blockBytes
            let isData =
                system("debugfs -R 'icheck \(block)' \(file.path) 2>/dev/null | grep -Eq '^\(block)[[:space:]]+12$'")
                == 0
            guard isData else { continue }
            tried.insert(format)
            file.write(magic, at: Int(offset))
            #expect(
                try ContentProbe.content(of: file.path, believing: ["ext4"]) == .known(format: "ext4"),
                "\(format) at \(offset)"
            )
            file.write([UInt8](repeating: 0, count: magic.count), at: Int(offset))
        }
        #expect(
            tried.isSuperset(of: ["drbd", "ddf_raid_member", "zfs_member", "gpt"]),
            "\(tried)"
        )
    }

    private static func superBlock(_ fixture: String) throws -> [UInt8] {
        let bytes = try Fixture.bytes(fixture)
        return bytes + [UInt8](repeating: 0, count: 4096 - bytes.count)
    }

    /// What a real tool writes near the end of a device of 64 MiB: its bytes and their place; nothing where it is missing.
    private static func real(_ format: String) throws -> (bytes: [UInt8], place: Int)? {
        switch format {
        // Recorded, for mdadm makes one only where the kernel has md: Fixtures/record-raid.
        // A super block has 4096 bytes, of which the fixture is all that is not zero.
        case "0.90": return (try Self.superBlock("md-0.90"), (64 << 20) - 65536)
        case "1.0": return (try Self.superBlock("md-1.0"), (64 << 20) - 8192)
        default:
            let file = try ImageFile(size: 64 << 20)
            guard system("sgdisk -n 1:0:0 \(file.path) > /dev/null 2>&1") == 0 else { return nil }
            let bytes = try KernelFile.bytes(file.path)
            return (Array(bytes.suffix(33 * 512)), bytes.count - 33 * 512)
        }
    }

    @Test(
        "What a real tool wrote at the end of the device is believed unless it is a file's data",
        arguments: [
            ("0.90", "linux_raid_member", "mdadm --examine FILE"),
            ("1.0", "linux_raid_member", "mdadm --examine FILE"),
            ("gpt", "gpt", "sgdisk -p FILE 2>&1 | grep -q 'Backup header: OK'"),
        ]
    )
    func realLabel(version: String, format: String, oracle: String) throws {
        guard let (bytes, place) = try Self.real(version) else { return }
        // A file system whose file has the place, and one that ends before it as that in a member does.
        for (isFile, kilobytes) in [(true, 64 << 10), (false, (64 << 10) - 192)] {
            let file = try ImageFile(size: 64 << 20)
            #expect(run("mkfs.ext4 -q -m 0 -b 4096 \(file.path) \(kilobytes)k") == 0)
            let data = "\(file.path).data"
            _ = run("head -c 63M /dev/zero | tr '\\0' x > \(data); debugfs -w -R 'write \(data) big' \(file.path)")
            unlink(data)
            for block in isFile ? [place / 4096, (64 << 20) / 4096 - 1] : [] {
                let isOwned =
                    "debugfs -R 'icheck \(block)' \(file.path) 2>/dev/null | grep -Eq '^\(block)[[:space:]]+12$'"
                #expect(system(isOwned) == 0, "block \(block) is no file's")
            }
            file.write(bytes, at: place)
            // The tool takes it for its own, which is why the file system has to win.
            if system("command -v \(oracle.prefix { $0 != " " }) > /dev/null") == 0 {
                #expect(run(oracle.replacing("FILE", with: file.path)) == 0, "\(oracle)")
            }
            #expect(
                try ContentProbe.content(of: file.path, believing: ["ext4"])
                    == .known(format: isFile ? "ext4" : format)
            )
            #expect(run("e2fsck -f -n \(file.path)") == 0)
        }
    }

    @Test("A mark in an xfs behind the headers says nothing, one in front does")
    func xfs() throws {
        let file = try made("mkfs.xfs -q -f")
        for (format, offset, magic) in Self.marks where offset >= 4096 {
            #expect(system("cp --sparse=always \(file.path) \(file.path).kept") == 0)
            file.write(magic, at: Int(offset))
            #expect(
                try ContentProbe.content(of: file.path, believing: ["xfs"]) == .known(format: "xfs"),
                "\(format) at \(offset)"
            )
            _ = system("cp --sparse=always \(file.path).kept \(file.path); rm \(file.path).kept")
        }
        file.write([0x55, 0xAA], at: 510)
        // The super block is not valid any more: its sum covers the sector.
        #expect(try ContentProbe.content(of: file.path, believing: ["xfs"]) != .known(format: "ext4"))
    }

    @Test("A super block with a wrong sum, and one of a larger device, are believed against nothing")
    func unsound() throws {
        for command in ["mkfs.ext4 -q", "mkfs.xfs -q -f"] {
            let file = try made(command)
            let name = command.contains("xfs") ? "xfs" : "ext4"
            file.write([0xDE, 0x11, 0xDE, 0x11], at: Self.sizeBytes - 512)
            #expect(try ContentProbe.content(of: file.path, believing: [name]) == .known(format: name))
            // The label.
            file.write([1], at: name == "xfs" ? 108 : 1024 + 120)
            #expect(try ContentProbe.content(of: file.path, believing: [name]) == .known(format: "ddf_raid_member"))
        }
    }

    @Test("What mkfs made is untouched, also what it did not end; what was mounted, or written to, is used")
    func states() throws {
        for (command, name) in [
            ("mkfs.ext4 -q", "ext4"), ("mkfs.xfs -q -f", "xfs"), ("mkfs.xfs -q -f -l su=256k", "xfs"),
        ] {
            let file = try made(command)
            #expect(try FileSystemState.state(of: file.path, name) == .untouched, "\(command)")
            #expect(try FileSystemState.state(of: file.path, name == "xfs" ? "ext4" : "xfs") != .untouched)
            file.write([UInt8](repeating: 0, count: 4096), at: 0)
            #expect(try FileSystemState.state(of: file.path, name) == .absent)
        }
        let file = try made("mkfs.ext4 -q")
        #expect(run("for i in 1 2 3; do debugfs -w -R \"write /etc/hostname f$i\" \(file.path); done") == 0)
        #expect(try FileSystemState.state(of: file.path, "ext4") == .used)
        let other = try made("mkfs.ext4 -q")
        // What a mount writes.
        #expect(run("debugfs -w -R 'set_super_value mtime 20261129120000' \(other.path)") == 0)
        #expect(try FileSystemState.state(of: other.path, "ext4") == .used)
        let partial = try ImageFile(size: Self.sizeBytes)
        #expect(run("(ulimit -f 220000; mkfs.xfs -q -f \(partial.path))") != 0)
        #expect(try FileSystemState.state(of: partial.path, "xfs") == .unfinished)
    }

    @Test(
        "An xfs with a file that mkfs.xfs itself put there is used; one with an empty root is not",
        arguments: [0, 1]
    )
    func filledByMkfs(files: Int) throws {
        let file = try ImageFile(size: Self.sizeBytes)
        let prototype = "\(file.path).proto"
        defer { unlink(prototype) }
        let row = files == 0 ? "" : "host ---644 0 0 /etc/hostname\n"
        try KernelFile.replace(prototype, with: Array("/\n0 0\nd--755 0 0\n\(row)$\n".utf8))
        #expect(run("mkfs.xfs -q -f -p \(prototype) \(file.path)") == 0)
        // Its own word for how many inodes are in use beyond the three of an empty one.
        let counts = "xfs_db -r -c 'sb 0' -c 'p icount ifree' \(file.path) | tr -dc '0-9\\n'"
        #expect(run("test $(( $(\(counts) | paste -sd-) )) = \(3 + files)") == 0)
        #expect(try FileSystemState.state(of: file.path, "xfs") == (files == 0 ? .untouched : .used))
    }

    @Test(
        "An ext4 that mke2fs itself filled is used, whatever inodes its features take",
        arguments: ["-O ^orphan_file", "-O orphan_file", "-O project,quota", "-O project,^quota"],
        [false, true]
    )
    func ext4FilledByMkfs(options: String, isFilled: Bool) throws {
        let file = try ImageFile(size: 64 << 20)
        let folder = "\(file.path).d"
        defer { _ = run("rm -rf \(folder)") }
        #expect(run("mkdir \(folder) && echo kept > \(folder)/file") == 0)
        #expect(run("mkfs.ext4 -qF \(options) \(isFilled ? "-d \(folder)" : "") \(file.path)") == 0)
        #expect((run("debugfs -R 'stat /file' \(file.path) 2>&1 | grep -q 'Type: regular'") == 0) == isFilled)
        #expect(try FileSystemState.state(of: file.path, "ext4") == (isFilled ? .used : .untouched))
    }

    @Test(
        "An image that is shrunk as far as an advice says holds all of its file system, and one of a MiB less does not"
    )
    func shrinks() throws {
        let file = try ImageFile(size: 110 << 20)
        #expect(run("mkfs.ext4 -q -F -O bigalloc \(file.path) 101952k") == 0)
        let limit = try #require(try GrowthLimit.limit(of: file.path))
        #expect(limit.imageBytes == 100 << 20 && limit.allows(limit.imageBytes) && !limit.allows(110 << 20))
        for (bytes, isWhole) in [(limit.imageBytes, true), (limit.imageBytes - 1 << 20, false)] {
            #expect(run("truncate -s \(bytes) \(file.path)") == 0)
            // It ends well where it is told not to abort, and says so first.
            let isCut = "e2fsck -f -n \(file.path) 2>&1 | grep -q 'physical size of the device'"
            #expect((run(isCut) != 0) == isWhole, "\(bytes)")
        }
    }

    @Test(
        "How far a file system can grow follows from what mkfs made, whatever its size",
        arguments: [
            ("mkfs.xfs -q -f -d file,size=300m,name=", 75 << 20), ("mkfs.xfs -q -f -d file,size=1g,name=", 256 << 20),
            ("mkfs.xfs -q -f -d agcount=8,file,size=1g,name=", 128 << 20),
            ("mkfs.xfs -q -f -l size=64m -d file,size=8t,name=", 1 << 40),
            ("mkfs.xfs -q -f -m crc=0 -d file,size=4g,name=", 1 << 30),
        ] as [(String, UInt64)]
    )
    func growsXFS(command: String, groupBytes: UInt64) throws {
        let file = try ImageFile(size: 0)
        #expect(run("\(command)\(file.path)") == 0, "\(command)")
        let found = try #require(XFSSuperblock(try DiskReader(path: file.path)))
        let limit = try #require(try GrowthLimit.limit(of: file.path))
        // mkfs.xfs rounds a group to blocks, and says so itself.
        let oracle = "test $(xfs_db -r -c 'sb 0' -c 'p agblocks' \(file.path) | tr -dc 0-9) = \(found.groupBlocks)"
        #expect(run(oracle) == 0)
        #expect(found.groupBlocks * found.blockBytes <= groupBytes + (1 << 20))
        #expect(limit.bytes == max(found.sizeBytes, found.groupBlocks * found.blockBytes * 10_000))
        #expect(limit.bytes >= found.sizeBytes && limit.reason.contains("allocation groups"))
    }

    /// Nothing grows: resize2fs refuses, or dies of its first write behind `fileBlocks` of 512 bytes.
    ///
    /// The copy is in memory, where a file may be larger than an ext4 lets it be: 16 TiB.
    private func growth(of file: ImageFile, to bytes: UInt64, writing fileBlocks: Int) -> (
        code: Int32, words: String
    ) {
        let said = "\(file.path).said"
        let grown = "/dev/shm/nacre-grown-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        defer {
            unlink(said)
            unlink(grown)
        }
        let code = system(
            "{ cp --sparse=always \(file.path) \(grown) && truncate -s \(bytes) \(grown) && "
                + "(ulimit -f \(fileBlocks); exec resize2fs \(grown)); } > \(said) 2>&1"
        )
        return (code >> 8, (try? KernelFile.text(said)) ?? "")
    }

    @Test(
        "An ext4 is let grow as far as resize2fs grows it, and no group further",
        arguments: [
            ("-O ^64bit -b 1024", 256, 8191 * 32 << 23, "descriptors"),
            ("-O 64bit -b 1024", 256, 8191 * 16 << 23, "descriptors"),
            ("-O 64bit -b 1024 -O meta_bg,^resize_inode", 256, 8191 * 16 << 23, "descriptors"),
            ("-O ^64bit -b 4096 -g 512", 64, 512 * 128 << 21, "descriptors"),
            ("-O 64bit -b 4096 -g 512", 64, 512 * 64 << 21, "descriptors"),
            ("-O 64bit -b 2048 -g 4096", 256, 4096 * 32 << 23, "descriptors"),
            ("-b 4096", 1024, 524_287 << 27, "inodes"),
            ("-O bigalloc", 256, 256 << 20, "bigalloc"),
        ] as [(String, Int, UInt64, String)]
    )
    func growsExt4AsResize2fs(options: String, megabytes: Int, bytes: UInt64, reason: String) throws {
        let file = try ImageFile(size: megabytes << 20)
        #expect(run("mkfs.ext4 -q -F \(options) \(file.path)") == 0)
        let limit = try #require(try GrowthLimit.limit(of: file.path))
        #expect(limit.bytes == bytes)
        #expect(limit.reason.contains(reason))
        let found = try #require(ExtSuperblock(try DiskReader(path: file.path)))
        let group = found.groupBlocks * found.blockBytes
        // Where one group has too many inodes, resize2fs leaves that one out, and grows to the rest.
        let groups: UInt64 = reason == "inodes" ? 2 : 1
        let beyond = growth(of: file, to: bytes + groups * group, writing: megabytes << 11)
        let words = [
            "descriptors": "too many block group descriptors", "inodes": "must be less than", "bigalloc": "bigalloc",
        ]
        let word = try #require(words[reason])
        #expect(beyond.code == 1 && beyond.words.contains(word), "\(beyond)")
        guard reason != "bigalloc" else { return }
        // It begins: its first write is too much.
        let within = growth(of: file, to: bytes, writing: 1)
        #expect(within.code != 1 && within.words.contains("resize2fs"), "\(within)")
        #expect(!within.words.contains("too many") && !within.words.contains("must be less"), "\(within)")
    }

    @Test("An ext4 without 64bit ends at 2^32 blocks, one with few inodes at 2^20 groups")
    func growsExt4() throws {
        for (options, bytes) in [("-O ^64bit", (1 << 44) - 4096), ("-N 1000", 1 << 47)] as [(String, UInt64)] {
            let file = try ImageFile(size: 64 << 20)
            #expect(run("mkfs.ext4 -q -F -b 4096 \(options) \(file.path)") == 0)
            #expect(try GrowthLimit.limit(of: file.path)?.bytes == bytes, "\(options)")
        }
    }

    @Test("Where there is no file system there is no limit of one")
    func growsNothing() throws {
        let file = try ImageFile(size: 64 << 20)
        #expect(try GrowthLimit.limit(of: file.path) == nil)
        #expect(run("mkswap \(file.path)") == 0)
        #expect(try GrowthLimit.limit(of: file.path) == nil)
    }
}
