import LinuxKernel
import Testing

/// A case in which the wrong disk would be erased.
struct WrongDisk: Sendable, CustomTestStringConvertible {
    /// The arguments of the zap; `DISK` and `FILE` stand for the device and its proof.
    static let willing = "DISK --serial FILE --fsid \(DiskLab.cluster)"

    let name: String
    /// The expected exit status.
    var status: Int32 = 77
    /// Words of the expected message.
    let says: String
    /// The arguments.
    var arguments = willing
    var size = 64 << 20
    /// Makes it the wrong disk; may return words for `EXTRA`.
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

    /// A disk whose content a flag must name.
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
