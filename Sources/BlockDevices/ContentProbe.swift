public import LinuxKernel
internal import SystemPackage

/// Determines what a device holds before it is formatted.
///
/// A device is blank only if its first and last 4 MiB are zeros: unrecognised data must not be formatted either.
///
/// The files of a file system may contain anything, including other marks, such as a disk image or a RAID label. So if
/// an expected file system has a valid super block, marks in its data area are ignored.
public enum ContentProbe {
    /// So much of each end is read, in bytes.
    public static let edgeBytes: UInt64 = 4 << 20
    private static let windowBytes = 1 << 20

    /// Reads both ends of a device or file.
    ///
    /// - Parameters:
    ///   - path: A device, or a file in tests.
    ///   - fileSystems: `ext4`, `xfs`: the expected file systems, in whose data areas marks are ignored.
    /// - Returns: What is there.
    /// - Throws: `KernelError` when it cannot be read.
    public static func content(
        of path: String,
        believing fileSystems: [String] = []
    ) throws(KernelError) -> DeviceContent {
        let descriptor = try openUncached(path)
        let size = try descriptor.endOffset()
        let head = 0..<min(size, edgeBytes)
        let tail = max(head.upperBound, size - min(size, edgeBytes))..<size
        guard let first = try firstNonZero(of: descriptor, in: [head, tail]) else { return .blank }
        // The middle is not read: nothing that can be only there matters to a new file system.
        let ends = MemorySource(sizeBytes: size, parts: [(first.place, first.bytes)])
        let unread = first.place + UInt64(first.bytes.count)
        for end in [head, tail] where end.upperBound > unread {
            let rest = max(end.lowerBound, unread)..<end.upperBound
            ends.put(try bytes(of: descriptor, rest), at: rest.lowerBound)
        }
        let sound = SoundFileSystem(ends, amongst: fileSystems)
        let found = FormatCatalog.signatures(on: ends).first { sound?.mayHold($0.mark) != true }
        guard let found else { return .unknown(offset: first.offset) }
        return .known(format: found.format)
    }

    /// The first byte that is not zero, and the window that it is in; all before it are zeros.
    private struct FirstNonZero {
        let offset: UInt64
        let place: UInt64
        let bytes: [UInt8]
    }

    /// In a small buffer: most devices are blank, and allocating memory takes longer than scanning it.
    private static func firstNonZero(
        of descriptor: borrowing OwnedDescriptor,
        in ranges: [Range<UInt64>]
    ) throws(KernelError) -> FirstNonZero? {
        let window = AlignedBuffer(count: windowBytes)
        for range in ranges {
            var place = range.lowerBound
            while place < range.upperBound {
                let wanted = Int(min(range.upperBound - place, UInt64(windowBytes)))
                let count = try descriptor.readBlocks(into: window, count: wanted, at: place)
                if let first = window.firstNonZero(count: count) {
                    return FirstNonZero(offset: place + UInt64(first), place: place, bytes: window.copy(0..<count))
                }
                guard count > 0 else { break }
                place += UInt64(count)
            }
        }
        return nil
    }

    private static func bytes(
        of descriptor: borrowing OwnedDescriptor,
        _ range: Range<UInt64>
    ) throws(KernelError) -> [UInt8] {
        let buffer = AlignedBuffer(count: range.count)
        return buffer.copy(0..<(try descriptor.readBlocks(into: buffer, count: range.count, at: range.lowerBound)))
    }

    /// Bypasses the page cache if possible, because the content of the device counts.
    static func openUncached(_ path: String) throws(KernelError) -> OwnedDescriptor {
        do throws(KernelError) {
            return try OwnedDescriptor(opening: path, OpenFlag.readOnly | OpenFlag.direct)
        } catch  where error.errno == .invalidArgument {
            return try OwnedDescriptor(opening: path, OpenFlag.readOnly)
        }
    }
}
