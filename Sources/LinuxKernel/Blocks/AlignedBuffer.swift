internal import CLinux
internal import Glibc
internal import SystemPackage

/// Memory that direct I/O accepts: page aligned, and a whole number of pages long.
public final class AlignedBuffer {
    private static let hugePageBytes = 2 << 20
    let bytes: UnsafeMutableRawBufferPointer
    /// What a large one is cut out of.
    private let mapping: UnsafeMutableRawBufferPointer?

    /// Makes `count` zeros, rounded up to pages.
    ///
    /// See: mmap(2).
    public init(count: Int) {
        let pages = (max(count, 1) + 4095) / 4096 * 4096
        mapping = pages >= Self.hugePageBytes ? Self.map(pages + Self.hugePageBytes) : nil
        if let mapping, let start = mapping.baseAddress?.alignedUp(toMultipleOf: Self.hugePageBytes) {
            bytes = UnsafeMutableRawBufferPointer(start: start, count: pages)
            // The kernel pins every page for each direct read or write; a few huge pages are pinned faster than a
            // thousand small ones.
            madvise(start, pages, MADV_HUGEPAGE)
        } else {
            bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: pages, alignment: 4096)
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    deinit {
        if let mapping { munmap(mapping.baseAddress, mapping.count) } else { bytes.deallocate() }
    }

    /// Zeros that use no memory until they are written to.
    private static func map(_ count: Int) -> UnsafeMutableRawBufferPointer? {
        let start = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        return start == MAP_FAILED ? nil : UnsafeMutableRawBufferPointer(start: start, count: count)
    }

    /// How much it holds, in bytes.
    public var count: Int { bytes.count }

    /// Replaces what it holds by random bytes.
    ///
    /// See: getrandom(2).
    public func fillRandomly() throws(KernelError) {
        try accepted("getrandom", "random bytes", clinux_random(bytes.baseAddress, bytes.count))
    }

    /// The index of the first byte that is not zero among the first `count`; `nil` if all are zero.
    public func firstNonZero(count: Int) -> Int? {
        var offset = 0
        return clinux_is_zero(bytes.baseAddress, min(count, bytes.count), &offset) == 1 ? nil : offset
    }

    /// A copy of the bytes in `range`, as far as they exist.
    public func copy(_ range: Range<Int>) -> [UInt8] {
        Array(bytes[range.clamped(to: 0..<bytes.count)])
    }

    /// Writes `source` to its beginning, as much as fits.
    public func replace(with source: [UInt8]) {
        source.withUnsafeBytes { bytes.copyMemory(from: .init(rebasing: $0.prefix(bytes.count))) }
    }
}

extension OwnedDescriptor {
    /// Reads up to `count` bytes at `offset`; fewer only at the end.
    ///
    /// See: pread(2).
    public borrowing func readBlocks(
        into buffer: AlignedBuffer,
        count: Int,
        at offset: UInt64
    ) throws(KernelError) -> Int {
        var done = 0
        let count = min(count, buffer.count)
        while done < count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[done..<count])
            let result = pread(rawValue, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
            if result < 0, errno == EINTR { continue }
            try checked("pread", subject, result)
            guard result > 0 else { break }
            done += result
        }
        return done
    }

    /// Writes the first `count` bytes of a buffer at `offset`.
    ///
    /// See: pwrite(2).
    public borrowing func writeBlocks(from buffer: AlignedBuffer, count: Int, at offset: UInt64) throws(KernelError) {
        var done = 0
        let count = min(count, buffer.count)
        while done < count {
            let rest = UnsafeRawBufferPointer(rebasing: buffer.bytes[done..<count])
            let result = pwrite(rawValue, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
            if result < 0, errno == EINTR { continue }
            try checked("pwrite", subject, result)
            guard result > 0 else { throw KernelError("pwrite", .noSpace, subject) }
            done += result
        }
    }
}

/// Flags of open(2) that Glibc's module lacks or that modules without pointers need by name.
public enum OpenFlag {
    /// Past the page cache.
    public static let direct = CLINUX_O_DIRECT
    /// To read.
    public static let readOnly = O_RDONLY
    /// To read and write.
    public static let readWrite = O_RDWR
    /// On a block device: fails if another process has it open exclusively, and excludes others while it is open.
    public static let exclusive = O_EXCL
}

extension OwnedDescriptor {
    /// Where the device or file ends, in bytes.
    ///
    /// See: lseek(2).
    public borrowing func endOffset() throws(KernelError) -> UInt64 {
        UInt64(try checked("lseek", subject, lseek(rawValue, 0, SEEK_END)))
    }
}
