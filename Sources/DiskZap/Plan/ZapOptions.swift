/// What is erased, and how.
public enum ZapMethod: Sendable, Hashable {
    /// Erases everything that marks a disk as used: head, tail, labels, tables. This is enough for a new OSD.
    case signatures
    /// Overwrites every byte with zeros this many times.
    case zero(passes: Int)
    /// Discards every block, and also writes what `signatures` writes.
    case discard
    /// Overwrites every byte with random data this many times, and then with zeros.
    case shred(passes: Int)

    /// As typed.
    public var name: String {
        switch self {
        case .signatures: "signatures"
        case .zero(let passes): passes == 1 ? "zero" : "zero \(passes)"
        case .discard: "discard"
        case .shred(let passes): "shred \(passes)"
        }
    }

    /// Whether every byte is overwritten, not only what marks the disk as used.
    public var isOfWholeDevice: Bool {
        switch self {
        case .signatures, .discard: false
        case .zero, .shred: true
        }
    }

    /// What NIST SP 800-88 would call the result.
    public var guarantee: String {
        switch self {
        case .signatures: "makes the disk reusable; its data can still be recovered"
        case .discard: "makes the disk reusable; what a discard leaves readable is up to the device"
        case .zero, .shred: "clears every address that can be written; spare blocks of flash are out of reach"
        }
    }
}

/// What the caller has named as erasable, and what to do.
public struct ZapOptions: Sendable, Hashable {
    /// Clusters whose OSDs may be erased, by fsid in lower case.
    public var clusters: Set<String>
    /// OSDs of unknown cluster that may be erased: the OSD's UUID, or the PARTUUID of a ceph-disk partition.
    public var unknownOSDs: Set<String>
    /// Other content that may be erased, by format names; `unknown` for unrecognised data.
    public var contents: Set<String>
    /// How.
    public var method: ZapMethod
    /// How much of the beginning of the device and of every part of it is erased, in bytes.
    public var headBytes: UInt64 = 100 << 20
    /// How much of the end of the device and of every part of it is erased, in bytes.
    public var tailBytes: UInt64 = 32 << 20

    /// Names nothing: only blank disks and empty tables may be erased.
    public init(
        clusters: Set<String> = [],
        unknownOSDs: Set<String> = [],
        contents: Set<String> = [],
        method: ZapMethod = .signatures
    ) {
        self.clusters = Set(clusters.map { $0.lowercased() })
        self.unknownOSDs = Set(unknownOSDs.map { $0.lowercased() })
        self.contents = contents
        self.method = method
    }
}
