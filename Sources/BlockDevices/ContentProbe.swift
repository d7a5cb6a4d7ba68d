internal import Glibc
public import LinuxKernel
internal import SystemPackage

/// Looks at what a device holds.
///
/// A device is blank only if its first and last 4 MiB are zeros: a name is nice to have in an error, but something
/// without a known name must not be formatted either.
public enum ContentProbe {
    static let edge = 4 << 20

    /// Reads both ends of a device or file.
    ///
    /// - Parameter path: A device, or a file in tests.
    /// - Returns: What is there.
    /// - Throws: `KernelError` when it cannot be read.
    public static func content(of path: String) throws(KernelError) -> DeviceContent {
        let descriptor = try openUncached(path)
        let end = lseek(descriptor.rawValue, 0, SEEK_END)
        guard end >= 0 else { throw KernelError("lseek", Errno(rawValue: errno), path) }
        let size = UInt64(end)
        let first = try read(descriptor, 0, Int(min(size, UInt64(edge))))
        let tailLength = min(size - UInt64(first.count), UInt64(edge))
        let tail = try read(descriptor, size - tailLength, Int(tailLength))
        return content(first: first, last: tail, size: size)
    }

    /// Judges the two ends of a device of `size` bytes.
    static func content(first: [UInt8], last: [UInt8], size: UInt64) -> DeviceContent {
        if let signature = SignatureCatalog.signature(first: first, last: last) { return .known(signature) }
        if let offset = first.firstIndex(where: { $0 != 0 }) { return .unknown(offset: UInt64(offset)) }
        if let offset = last.firstIndex(where: { $0 != 0 }) {
            return .unknown(offset: size - UInt64(last.count) + UInt64(offset))
        }
        return .blank
    }

    /// Past the page cache where the file system allows it: what counts is what the device holds.
    private static func openUncached(_ path: String) throws(KernelError) -> OwnedDescriptor {
        do throws(KernelError) {
            return try OwnedDescriptor(opening: path, O_RDONLY | directFlag)
        } catch  where error.errno == .invalidArgument {
            return try OwnedDescriptor(opening: path, O_RDONLY)
        }
    }

    private static func read(
        _ descriptor: borrowing OwnedDescriptor,
        _ offset: UInt64,
        _ length: Int
    ) throws(KernelError) -> [UInt8] {
        guard length > 0 else { return [] }
        // Direct I/O wants aligned memory.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 4096)
        defer { buffer.deallocate() }
        var done = 0
        while done < length {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = pread(descriptor.rawValue, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw KernelError("pread", Errno(rawValue: errno), descriptor.subject) }
            guard count > 0 else { break }
            done += count
        }
        return Array(buffer[..<done])
    }

    // O_DIRECT, which Glibc's module leaves out.
    #if arch(arm64)
        private static let directFlag: CInt = 0o200000
    #else
        private static let directFlag: CInt = 0o40000
    #endif
}
