internal import ArgumentParser
internal import BlockDevices
internal import DiskZap

/// What may be lost that is not Ceph's.
struct ContentArguments: ParsableArguments {
    @Option(
        help: "A format that is not Ceph's and may be erased: xfs, LVM2_member, partition, unknown. May be repeated.",
        completion: Completion.contents
    )
    var content: [String] = []

    /// Erasable content besides the formats of the catalogue: unrecognised data, a partition that is not Ceph's.
    static let otherContents = ["unknown", "partition"]

    func validate() throws {
        let known = FormatCatalog.formats.map(\.name) + Self.otherContents
        for name in content where !known.contains(name) {
            throw ValidationError("'\(name)' is no format that nacre-disk knows")
        }
    }
}

/// What may be lost.
struct LossArguments: ParsableArguments {
    @Option(help: "Your cluster: its OSDs may be erased. May be repeated.")
    var fsid: [String] = []

    @Option(help: "Another cluster whose OSDs may be erased. May be repeated.")
    var foreignFsid: [String] = []

    @Option(help: "An OSD of unknown cluster that may be erased: its UUID, or a PARTUUID. May be repeated.")
    var unknownOsd: [String] = []

    @OptionGroup var contents: ContentArguments

    func validate() throws {
        for id in fsid + foreignFsid + unknownOsd where GUID(text: id) == nil {
            throw ValidationError("'\(id)' is not a UUID")
        }
    }

    /// What was named, for this way of erasing.
    func options(_ method: ZapMethod = .signatures) -> ZapOptions {
        ZapOptions(
            clusters: Set(fsid + foreignFsid),
            unknownOSDs: Set(unknownOsd),
            contents: Set(contents.content),
            method: method
        )
    }
}

/// What may be lost, and how it is erased.
struct ZapArguments: ParsableArguments {
    @OptionGroup var lost: LossArguments
    @OptionGroup var way: MethodOptions

    var options: ZapOptions { lost.options(way.zapMethod) }
}

/// How disks are erased.
struct MethodOptions: ParsableArguments {
    @Option(help: "signatures, zero, discard or shred.")
    var method: Method = .signatures

    @Option(
        help: "How often zero writes zeros, or shred random bytes before it writes zeros; 1 unless given."
    )
    var passes: Int?

    enum Method: String, ExpressibleByArgument, CaseIterable {
        case signatures, zero, discard, shred
    }

    func validate() throws {
        guard let passes else { return }
        guard (1...100).contains(passes) else { throw ValidationError("--passes wants 1 to 100, not \(passes)") }
        guard zapMethod.isOfWholeDevice else {
            throw ValidationError("--passes is for --method zero and shred; \(method.rawValue) has one pass")
        }
    }

    var zapMethod: ZapMethod {
        switch method {
        case .signatures: .signatures
        case .zero: .zero(passes: passes ?? 1)
        case .discard: .discard
        case .shred: .shred(passes: passes ?? 1)
        }
    }
}
