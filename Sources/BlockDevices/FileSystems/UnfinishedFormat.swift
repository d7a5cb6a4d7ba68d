public import LinuxKernel

/// Tells by the bytes alone that a device has what a mkfs.ext4 left that did not end, and nothing else.
///
/// mke2fs writes the super block last, and the copies in other groups just before it: an ext4 that was whole once has
/// copies, also when its beginning was wiped. What stands at the device's ends must be what the same mkfs writes there, but
/// for times, sums and counts: a database's pages are not.
public enum UnfinishedFormat {
    private static let pageBytes = 4096

    /// Compares a device with what the same mkfs made of a file of its size.
    ///
    /// - Parameters:
    ///   - path: The device, that no mkfs is at work on; or a file in tests.
    ///   - model: The file, with a whole ext4 that nobody mounted.
    /// - Returns: Whether it is proven; false wherever it is not.
    /// - Throws: `KernelError` when one of both cannot be read.
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
        // Without copies nothing tells a mkfs that did not end from a file system whose beginning was wiped.
        guard !copies.isEmpty, copies.allSatisfy({ device.bytes(at: $0, count: 1024).allSatisfy { $0 == 0 } }) else {
            return false
        }
        let edge = min(ContentProbe.edgeBytes, device.sizeBytes)
        return [0, device.sizeBytes - edge].allSatisfy { start in
            isPart(device.bytes(at: start, count: Int(edge)), of: model.bytes(at: start, count: Int(edge)))
        }
    }

    /// Where the copies of the super block are, in bytes: in the groups 1 and the powers of 3, 5 and 7.
    private static func copies(of whole: ExtSuperblock, on model: any ByteSource) -> [UInt64] {
        let groupBytes = whole.groupBlocks * whole.blockBytes
        // With blocks of 1 KiB the first group begins behind the boot loader's.
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

    /// Whether every page is zeros, or mostly what stands in the model's.
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
