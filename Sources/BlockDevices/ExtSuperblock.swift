internal import Glibc
public import LinuxKernel
internal import SystemPackage

/// The size of an ext file system, as its super block tells.
///
/// See: Documentation/filesystems/ext4/super.rst.
public enum ExtSuperblock {
    /// What a last block group may waste: its bitmaps and inode table would not leave room for data.
    static let toleranceBytes: UInt64 = 4 << 20

    /// The size in bytes of the ext file system on a device.
    public static func sizeBytes(of path: String) throws(KernelError) -> UInt64 {
        let descriptor = try OwnedDescriptor(opening: path, O_RDONLY)
        var block = [UInt8](repeating: 0, count: 1024)
        guard pread(descriptor.rawValue, &block, block.count, 1024) == block.count else {
            throw KernelError("pread", Errno(rawValue: errno), path)
        }
        guard block[56] == 0x53, block[57] == 0xEF else { throw KernelError("ext4", .invalidArgument, path) }
        let is64Bit = word(block, 96) & 0x80 != 0
        let blocks = UInt64(word(block, 4)) | (is64Bit ? UInt64(word(block, 0x150)) << 32 : 0)
        return blocks << (10 + UInt64(word(block, 24)))
    }

    /// Whether a file system of `present` bytes can use more of a device of `device` bytes.
    public static func canGrow(from present: UInt64, to device: UInt64) -> Bool {
        device > present && device - present > toleranceBytes
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }
}
