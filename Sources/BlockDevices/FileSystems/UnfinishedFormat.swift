public import LinuxKernel

/// Proves from the bytes alone that a device holds the remains of an interrupted mkfs.ext4, and nothing else.
///
/// mke2fs writes the superblock last, and its copies in other groups just before it. So an ext4 that was once complete
/// has copies, also if its beginning was wiped. The ends of the device must hold what the same mkfs writes there,
/// except for times, checksums and counts. Pages of a database do not match that.
public enum UnfinishedFormat {
    private static let pageBytes = 4096

    /// Compares a device with a file of the same size on which the same mkfs ran.
    ///
    /// - Parameters:
    ///   - path: The device, on which no mkfs runs; or a file in tests.
    ///   - model: The file, with a complete ext4 that was never mounted.
    /// - Returns: Whether it is proven.
    /// - Throws: `KernelError` if the device or the file cannot be read.
    public static func isPart(_ path: String, of model: String) throws(KernelError) -> Bool {
        let (device, whole) = (try DiskReader(path: path), try DiskReader(path: model))
        let isPart = isPart(device, of: whole)
        if let failure = (device.failures + whole.failures).first { throw failure }
        return isPart
    }

    private static func isPart(_ device: any ByteSource, of model: any ByteSource) -> Bool {
        guard device.sizeBytes == model.sizeBytes, let whole = ExtSuperblock(model), whole.isUntouched,
            device.bytes(at: 0, count: pageBytes / 2).allSatisfy({ $0 == 0 })
        else { return false }
        let copies = copies(of: whole, on: model)
        // Without copies, an interrupted mkfs cannot be distinguished from a file system whose beginning was wiped.
        guard !copies.isEmpty, copies.allSatisfy({ device.bytes(at: $0, count: 1024).allSatisfy { $0 == 0 } }) else {
            return false
        }
        let edge = min(ContentProbe.edgeBytes, device.sizeBytes)
        return [0, device.sizeBytes - edge].allSatisfy { start in
            isPart(device.bytes(at: start, count: Int(edge)), of: model.bytes(at: start, count: Int(edge)))
        }
    }

    /// The offsets of the superblock's copies, in bytes: in group 1 and the powers of 3, 5 and 7.
    private static func copies(of whole: ExtSuperblock, on model: any ByteSource) -> [UInt64] {
        let groupBytes = whole.groupBlocks * whole.blockBytes
        // With blocks of 1 KiB the first group begins after the boot block.
        let firstByte: UInt64 = whole.blockBytes == 1024 ? 1024 : 0
        var groups: Set<UInt64> = [1]
        for base in [3, 5, 7] as [UInt64] {
            var group = base
            while group <= whole.sizeBytes / groupBytes {
                groups.insert(group)
                group *= base
            }
        }
        return groups.map { firstByte + $0 * groupBytes }
            .filter { model.bytes(at: $0, count: 1024).little(UInt16.self, at: 0x38) == 0xEF53 }
    }

    /// Whether every page is zeros, or mostly equal to the model's page.
    private static func isPart(_ bytes: [UInt8], of model: [UInt8]) -> Bool {
        guard bytes.count == model.count else { return false }
        return stride(from: 0, to: bytes.count, by: pageBytes).allSatisfy { start in
            var (set, other) = (0, 0)
            for index in start..<min(start + pageBytes, bytes.count) where bytes[index] != 0 {
                set += 1
                if bytes[index] != model[index] { other += 1 }
            }
            return other * 2 <= set
        }
    }
}
