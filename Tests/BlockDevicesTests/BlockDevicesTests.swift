import Glibc
import LinuxKernel
import Testing

@testable import BlockDevices

@Suite("What a device holds")
struct ContentProbeTests {
    @Test("A device of zeros is blank, whatever its size", arguments: [0, 512, 4 << 20, (4 << 20) + 512, 20 << 20])
    func zerosAreBlank(size: Int) throws {
        let file = try ImageFile(size: size)
        #expect(try ContentProbe.content(of: file.path) == .blank)
    }

    @Test(
        "A mark that we know has its name",
        arguments: [
            ("gpt", 512, Array("EFI PART".utf8)),
            ("ceph_bluestore", 0, Array("bluestore block device\n".utf8)),
            ("crypto_LUKS", 0, [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE, 0, 2]), ("swap", 4086, Array("SWAP-SPACE".utf8)),
            ("dos", 510, [0x55, 0xAA]), ("zfs_member", 128 << 10, [0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0]),
            ("gpt", (20 << 20) - 512, Array("EFI PART".utf8)), ("ext2", 1080, [0x53, 0xEF]),
            ("btrfs", 0x10040, Array("_BHRfS_M".utf8)), ("drbd", (20 << 20) - 4036, [0x83, 0x74, 0x02, 0x6D]),
        ] as [(String, Int, [UInt8])]
    )
    func marks(format: String, offset: Int, magic: [UInt8]) throws {
        let file = try ImageFile(size: 20 << 20)
        file.write(magic, at: offset)
        #expect(try ContentProbe.content(of: file.path) == .known(format: format))
    }

    @Test("One byte near either end is not blank", arguments: [1, 4095, (4 << 20) - 1, (16 << 20), (20 << 20) - 1])
    func oneByte(offset: Int) throws {
        let file = try ImageFile(size: 20 << 20)
        file.write([1], at: offset)
        #expect(try ContentProbe.content(of: file.path) == .unknown(offset: UInt64(offset)))
    }

    @Test(
        "What mkfs makes is told apart",
        arguments: [("mkfs.ext4", "ext4"), ("mkfs.ext3", "ext3"), ("mkfs.ext2", "ext2")]
    )
    func realFileSystems(program: String, format: String) throws {
        let file = try ImageFile(size: 16 << 20)
        #expect(system("\(program) -q -F \(file.path) > /dev/null 2>&1") == 0)
        #expect(try ContentProbe.content(of: file.path) == .known(format: format))
    }
}

/// A sparse file that is removed with its owner.
final class ImageFile {
    let path: String

    init(size: Int) throws {
        path = "/tmp/nacre-content-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
        try #require(descriptor >= 0)
        ftruncate(descriptor, off_t(size))
        close(descriptor)
    }

    func write(_ bytes: [UInt8], at offset: Int) {
        let descriptor = open(path, O_WRONLY)
        pwrite(descriptor, bytes, bytes.count, off_t(offset))
        close(descriptor)
    }

    deinit { unlink(path) }
}
