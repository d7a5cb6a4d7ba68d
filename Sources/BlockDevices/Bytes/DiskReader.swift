public import LinuxKernel
internal import SystemPackage

/// Reads a block device or a file, bypassing the page cache, and caches what it read.
///
/// Both ends are read at the start, because nearly all marks are there.
public final class DiskReader: ByteSource {
    /// How much is read at the beginning and at the end at the start.
    static let edgeBytes = 512 << 10
    private static let pageBytes: UInt64 = 4096

    private let descriptor: OwnedDescriptor
    /// How large the device is.
    public let sizeBytes: UInt64
    private let isDirect: Bool
    private var cache: [(start: UInt64, bytes: [UInt8])] = []
    /// What could not be read.
    public private(set) var failures: [KernelError] = []
    /// How much was read.
    public private(set) var bytesRead: UInt64 = 0

    /// Opens `path` to read; never claims it.
    ///
    /// Some file systems refuse direct I/O.
    ///
    /// - Parameter path: A block device, or a file in tests.
    /// - Throws: `KernelError` when it cannot be opened.
    public convenience init(path: String) throws(KernelError) {
        do throws(KernelError) {
            let flags = OpenFlag.readOnly | OpenFlag.direct
            try self.init(descriptor: OwnedDescriptor(opening: path, flags), isDirect: true)
        } catch  where error.errno == .invalidArgument {
            try self.init(descriptor: OwnedDescriptor(opening: path, OpenFlag.readOnly), isDirect: false)
        }
    }

    private init(descriptor: consuming OwnedDescriptor, isDirect: Bool) throws(KernelError) {
        sizeBytes = try descriptor.endOffset()
        self.descriptor = descriptor
        self.isDirect = isDirect
        _ = fetch(0, UInt64(Self.edgeBytes))
        if sizeBytes > UInt64(Self.edgeBytes) { _ = fetch(sizeBytes - UInt64(Self.edgeBytes), UInt64(Self.edgeBytes)) }
    }

    /// The number of the device that was opened; `nil` for a file.
    public func deviceNumber() -> DeviceNumber? {
        DevicePath.blockDevice(of: descriptor)
    }

    /// Whether another opener holds a write lock, as a running ceph-osd does.
    public func isWriteLocked() -> Bool { descriptor.isWriteLocked() }

    /// Up to `count` bytes at `offset`.
    public func bytes(at offset: UInt64, count: Int) -> [UInt8] {
        guard offset < sizeBytes, count > 0 else { return [] }
        let length = min(UInt64(count), sizeBytes - offset)
        for part in cache where part.start <= offset && offset + length <= part.start + UInt64(part.bytes.count) {
            let start = Int(offset - part.start)
            return Array(part.bytes[start..<(start + Int(length))])
        }
        return fetch(offset, length)
    }

    private func fetch(_ offset: UInt64, _ length: UInt64) -> [UInt8] {
        let start = offset / Self.pageBytes * Self.pageBytes
        let end = min(offset + length, sizeBytes)
        guard start < end else { return [] }
        // The last bytes of a device whose size is not a multiple of the page size are read as they are: they are whole
        // sectors.
        let wanted = Int(min((end - start + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes, sizeBytes - start))
        let buffer = AlignedBuffer(count: wanted)
        var count = 0
        do throws(KernelError) {
            count = try descriptor.readBlocks(into: buffer, count: isDirect ? buffer.count : wanted, at: start)
        } catch {
            // One failure of each kind tells it: a disk may fail at every place that is looked at.
            if !failures.contains(error) { failures.append(error) }
        }
        bytesRead += UInt64(count)
        let bytes = buffer.copy(0..<min(count, wanted))
        cache.append((start, bytes))
        let skipped = Int(offset - start)
        guard skipped < bytes.count else { return [] }
        return Array(bytes[skipped...].prefix(Int(end - offset)))
    }
}
