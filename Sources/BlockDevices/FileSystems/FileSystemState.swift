public import LinuxKernel

/// What a device tells of a file system that was to be made on it.
public enum FileSystemState: Sendable, Hashable {
    /// Where its super block belongs are zeros: its mkfs did not get so far, or never ran.
    case absent
    /// Its super block says that its mkfs did not end; only that of xfs does.
    case unfinished
    /// Nobody has mounted it for writing.
    case untouched
    /// It was mounted, or that cannot be ruled out.
    case used

    /// Looks at a device that no mkfs is at work on.
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
        // mke2fs leaves the sector of a boot loader zero as well.
        let isXFS = fileSystem == "xfs"
        let head = source.bytes(at: 0, count: isXFS ? 512 : 2048)
        if head.allSatisfy({ $0 == 0 }) { return .absent }
        if isXFS {
            guard let found = XFSSuperblock(source) else { return .used }
            return found.isInProgress ? .unfinished : found.isUntouched(source) ? .untouched : .used
        }
        return head.prefix(1024).allSatisfy { $0 == 0 } && ExtSuperblock(source)?.isUntouched == true
            ? .untouched : .used
    }
}

/// A file system that a device certainly has, and where the data of its files may be.
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

    /// Whether a mark can be what stands in a file: it lies where the file system keeps its files' data.
    ///
    /// Before that, and behind the file system's end, it cannot: a member of a RAID whose label stands at the end of the
    /// device has a file system that ends before the label.
    func mayHold(_ mark: Format.Mark) -> Bool {
        mark.offset >= data.lowerBound && mark.offset + mark.length <= data.upperBound
    }
}
