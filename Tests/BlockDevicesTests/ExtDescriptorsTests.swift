import Glibc
import LinuxKernel
import Testing

@testable import BlockDevices

/// mke2fs makes them, e2fsck and debugfs say what is so.
@Suite("Group descriptors of an ext4")
struct ExtDescriptorsTests {
    static let layouts = [
        "-b 4096", "-b 1024", "-b 1024 -O ^flex_bg", "-O ^metadata_csum,uninit_bg", "-O ^metadata_csum,^uninit_bg",
        "-O ^metadata_csum,^uninit_bg,^flex_bg -b 1024", "-O ^64bit", "-O ^64bit,^metadata_csum,uninit_bg",
        "-O ^resize_inode,meta_bg", "-b 1024 -O ^resize_inode,meta_bg", "-O bigalloc", "-O sparse_super2",
        "-O metadata_csum_seed",
        "-O ^sparse_super,^resize_inode", "-I 128", "-b 1024 -O bigalloc,^has_journal", "-b 1024 -E desc_size=128",
    ]

    private func made(_ options: String) throws -> ImageFile {
        let file = try ImageFile(size: 600 << 20)
        try #require(system("mkfs.ext4 -q \(options) \(file.path) > /dev/null 2>&1") == 0, "\(options)")
        try #require(
            system(
                "echo kept > \(file.path).kept; debugfs -w -R 'write \(file.path).kept kept' \(file.path) > /dev/null 2>&1; "
                    + "rm \(file.path).kept; e2fsck -fp \(file.path) > /dev/null 2>&1; [ $? -le 1 ]"
            ) == 0
        )
        return file
    }

    @Test("Those of a sound file system are sound, in each layout", arguments: layouts)
    func sound(options: String) throws {
        let file = try made(options)
        let found = try #require(try ExtDescriptors(of: file.path))
        #expect(found.fault == nil, "\(options): \(String(describing: found.fault))")
        #expect(!found.hasUnreplayedLog)
    }

    @Test(
        "A new UUID makes no descriptor wrong",
        arguments: ["-O metadata_csum_seed", "-b 4096", "-O ^metadata_csum,uninit_bg"]
    )
    func newUUID(options: String) throws {
        let file = try made(options)
        try #require(system("tune2fs -f -U random \(file.path) > /dev/null 2>&1 < /dev/null") == 0)
        #expect(try #require(try ExtDescriptors(of: file.path)).fault == nil)
    }

    /// Where the descriptors of the first groups are, in bytes, as dumpe2fs says it.
    private func place(_ file: ImageFile, _ blockBytes: Int) throws -> Int {
        let answer = "\(file.path).where"
        defer { unlink(answer) }
        let number = "'s/.*[Gg]roup descriptors\\{0,1\\} at \\([0-9]*\\).*/\\1/p'"
        system("dumpe2fs \(file.path) 2>/dev/null | sed -n \(number) | head -1 > \(answer)")
        return try #require(Int(KernelFile.firstLine(answer) ?? "")) * blockBytes
    }

    @Test("Lost ones are seen, and the copy that is named brings all back", arguments: layouts)
    func lost(options: String) throws {
        let file = try made(options)
        let superblock = try #require(ExtSuperblock(try DiskReader(path: file.path)))
        let blockBytes = Int(superblock.blockBytes)
        let start = try place(file, blockBytes)
        file.write([UInt8](repeating: 0, count: blockBytes), at: start)
        let found = try #require(try ExtDescriptors(of: file.path))
        let fault = try #require(found.fault, "\(options)")
        #expect(fault.group == 0 && !fault.isOfChecksum && fault.words.contains("block bitmap in block 0"), "\(fault)")
        // One that has one group alone has no other copy.
        guard superblock.blockCount > superblock.groupBlocks else { return #expect(found.otherCopy == nil) }
        let copy = try #require(found.otherCopy)
        let repaired = system("e2fsck -f -y \(copy) \(file.path) > /dev/null 2>&1")
        #expect(repaired == 1 << 8, "\(options): \(repaired)")
        #expect(system("debugfs -R 'cat kept' \(file.path) 2>/dev/null | grep -qx kept") == 0, "\(options) \(copy)")
        #expect(try #require(try ExtDescriptors(of: file.path)).fault == nil)
    }

    @Test(
        "One whose inode table moved is seen by its checksum, where there is one",
        arguments: ["-b 4096", "-b 1024", "-O ^metadata_csum,uninit_bg", "-O ^64bit", "-O metadata_csum_seed"]
    )
    func changed(options: String) throws {
        let file = try made(options)
        let found = try #require(ExtSuperblock(try DiskReader(path: file.path)))
        let start = try place(file, Int(found.blockBytes)) + Int(found.descriptorBytes) * 2 + 8
        let old = try #require(try DiskReader(path: file.path).bytes(at: UInt64(start), count: 1).first)
        file.write([old ^ 1], at: start)
        let fault = try #require(try ExtDescriptors(of: file.path)?.fault)
        #expect(fault.group == 2 && fault.isOfChecksum, "\(fault)")
    }

    @Test("Any bytes for a super block and descriptors end in an answer")
    func anyBytes() throws {
        let file = try made("-O ^metadata_csum,^uninit_bg")
        var generator = SystemRandomNumberGenerator()
        let sound = try DiskReader(path: file.path).bytes(at: 1024, count: 1024)
        for _ in 0..<300 {
            var block = sound
            for _ in 0..<3 {
                let index = Int.random(in: 0..<0x300, using: &generator)
                if !(0x38..<0x3A).contains(index) { block[index] = .random(in: 0 ... .max, using: &generator) }
            }
            file.write(block, at: 1024)
            _ = try? ExtDescriptors(of: file.path)
        }
    }
}
