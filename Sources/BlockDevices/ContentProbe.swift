public import LinuxKernel
internal import SystemPackage

/// Looks at what a device holds, before it is formatted.
///
/// A device is blank only if its first and last 4 MiB are zeros: a name is nice to have in an error, but something
/// without a known name must not be formatted either.
public enum ContentProbe {
    static let edgeBytes: UInt64 = 4 << 20

    /// Reads both ends of a device or file.
    ///
    /// - Parameter path: A device, or a file in tests.
    /// - Returns: What is there.
    /// - Throws: `KernelError` when it cannot be read.
    public static func content(of path: String) throws(KernelError) -> DeviceContent {
        let descriptor = try openUncached(path)
        let size = try descriptor.endOffset()
        let first = AlignedBuffer(count: Int(min(size, edgeBytes)))
        let firstCount = try descriptor.readBlocks(into: first, count: Int(min(size, edgeBytes)), at: 0)
        let tailBytes = min(size - UInt64(firstCount), edgeBytes)
        let last = AlignedBuffer(count: Int(tailBytes))
        let lastCount = try descriptor.readBlocks(into: last, count: Int(tailBytes), at: size - tailBytes)
        let offsets = [
            first.firstNonZero(count: firstCount).map { UInt64($0) },
            last.firstNonZero(count: lastCount).map { size - tailBytes + UInt64($0) },
        ]
        guard let offset = offsets.compactMap(\.self).first else { return .blank }
        // What lies between is not read: nothing that can stand there alone matters to a new file system.
        let ends = MemorySource(
            sizeBytes: size,
            parts: [(0, first.copy(0..<firstCount)), (size - tailBytes, last.copy(0..<lastCount))]
        )
        guard let found = FormatCatalog.signatures(on: ends).first else { return .unknown(offset: offset) }
        return .known(format: found.format)
    }

    /// Past the page cache where the file system allows it: what counts is what the device holds.
    private static func openUncached(_ path: String) throws(KernelError) -> OwnedDescriptor {
        do throws(KernelError) {
            return try OwnedDescriptor(opening: path, OpenFlag.readOnly | OpenFlag.direct)
        } catch  where error.errno == .invalidArgument {
            return try OwnedDescriptor(opening: path, OpenFlag.readOnly)
        }
    }
}
