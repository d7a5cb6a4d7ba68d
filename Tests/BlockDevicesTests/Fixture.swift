import BlockDevices
import Glibc
import LinuxKernel
import Testing

/// Recorded headers; `Fixtures/README.md` has their origin.
enum Fixture {
    static let cluster = "11111111-2222-3333-4444-555555555555"
    static let osd = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    static let names = [
        "bluestore-single", "bluestore-block", "bluestore-block.db", "bluestore-block.wal", "luks1", "luks2",
        "luks2-second", "lvm", "md-0.90", "md-1.0", "md-1.1", "md-1.2",
    ]

    static func bytes(_ name: String) throws -> [UInt8] {
        let directory = #filePath.split(separator: "/").dropLast().joined(separator: "/")
        return try KernelFile.bytes("/\(directory)/Fixtures/\(name).bin")
    }

    /// The recorded bytes at the beginning of a device of `size`.
    static func source(_ name: String, size: UInt64) throws -> MemorySource {
        MemorySource(sizeBytes: size, parts: [(0, try bytes(name))])
    }
}
