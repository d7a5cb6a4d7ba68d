import LinuxKernel
import Testing

/// A way to be about to erase the wrong disk.
struct WrongDisk: Sendable, CustomTestStringConvertible {
    /// What the zap is told; `DISK` and `FILE` stand for the device and its proof.
    static let willing = "DISK --serial FILE --fsid \(DiskLab.cluster)"

    let name: String
    /// How the program has to end.
    var status: Int32 = 77
    /// What it has to say.
    let says: String
    /// How it is called.
    var arguments = willing
    var size = 64 << 20
    /// What makes it the wrong disk; may give words for `EXTRA`.
    let make: @Sendable (Disk, DiskLab) throws -> String

    var testDescription: String { name }

    init(
        _ name: String,
        says: String,
        _ arguments: String = willing,
        status: Int32 = 77,
        size: Int = 64 << 20,
        make: @escaping @Sendable (Disk, DiskLab) throws -> String
    ) {
        (self.name, self.says, self.arguments, self.status, self.size) = (name, says, arguments, status, size)
        self.make = make
    }

    /// A disk whose content would have to be named.
    static func content(_ format: String, _ what: String, _ make: @escaping @Sendable (Disk, DiskLab) throws -> Void)
        -> WrongDisk
    {
        WrongDisk(what, says: format, "\(willing) --content \(format.contains("xfs") ? "ext4" : "xfs")") { disk, lab in
            try make(disk, lab)
            return ""
        }
    }

    static let all = identity + use + owners + contents + hidden
}
