public import LinuxKernel

/// The state of a file system that a mkfs was to make on a device.
public enum FileSystemState: Sendable, Hashable {
    /// The superblock is all zeros: mkfs did not reach it, or never ran.
    case absent
    /// Its superblock says that its mkfs did not end, and its log and its inodes that nobody has used it; only XFS has
    /// that mark.
    case unfinished
    /// Nobody has mounted it for writing.
    case untouched
    /// It was mounted, or that cannot be ruled out.
    case used

    /// Reads the state from a device on which no mkfs runs.
    ///
    /// - Parameters:
    ///   - path: The device, or a file in tests.
    ///   - fileSystem: `ext4` or `xfs`.
    /// - Returns: What can be proven.
    /// - Throws: `KernelError` when it cannot be read.
    public static func state(of path: String, _ fileSystem: String) throws(KernelError) -> FileSystemState {
        let reader = try DiskReader(path: path)
        let state = state(on: reader, fileSystem)
        if let failure = reader.failures.first { throw failure }
        return state
    }

    static func state(on source: any ByteSource, _ fileSystem: String) -> FileSystemState {
        // mke2fs also leaves the boot loader's sector zero.
        let isXFS = fileSystem == "xfs"
        let head = source.bytes(at: 0, count: isXFS ? 512 : 2048)
        if head.allSatisfy({ $0 == 0 }) { return .absent }
        if isXFS {
            guard let found = XFSSuperblock(source) else { return .used }
            guard found.isInProgress else { return found.isUntouched(source) ? .untouched : .used }
            return found.isUnused(source) ? .unfinished : .used
        }
        return head.prefix(1024).allSatisfy { $0 == 0 } && ExtSuperblock(source)?.isUntouched == true
            ? .untouched : .used
    }
}

/// A file system with a valid super block, and its data area.
struct SoundFileSystem {
    let name: String
    private let data: Range<UInt64>

    /// One of `names`; `nil` if none of them has a super block that a kernel would take.
    init?(_ source: any ByteSource, amongst names: [String]) {
        if names.contains("xfs"), let found = XFSSuperblock(source), found.sizeBytes <= source.sizeBytes {
            name = "xfs"
            data = found.dataStartBytes..<max(found.dataStartBytes, found.sizeBytes)
        } else if names.contains("ext4"), let found = ExtSuperblock(source), found.sizeBytes <= source.sizeBytes {
            name = "ext4"
            data = found.dataStartBytes..<max(found.dataStartBytes, found.sizeBytes)
        } else {
            return nil
        }
    }

    /// Whether a mark may be part of a file, because it is in the file system's data area.
    ///
    /// Before the data area and after the end of the file system it cannot be: on a RAID member with its label at the
    /// end of the device, the file system ends before the label.
    func mayHold(_ mark: Format.Mark) -> Bool {
        mark.offset >= data.lowerBound && mark.offset + mark.length <= data.upperBound
    }
}
