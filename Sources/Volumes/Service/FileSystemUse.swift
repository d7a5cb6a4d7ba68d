/// What a new volume is for: the file system that a node will make on it, with the class's options, or none.
///
/// What mkfs will refuse is refused here: a claim that is bound can never be mended by its owner.
struct FileSystemUse: Sendable, CustomStringConvertible {
    /// `ext4`, `xfs`, or `block`.
    private let mark: String
    /// For mkfs; nothing for a raw device.
    private let options: MkfsOptions?
    /// `mkfsOptions` of the class.
    private let text: String

    /// Reads them of a request; left open, it is what a node takes.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument` for options that no class may give.
    init(_ capabilities: [VolumeCapability], _ parameters: VolumeParameters) throws(VolumeError) {
        try self.init(
            mark: Self.mark(capabilities, parameters) ?? MountAccess().fileSystem,
            mkfsOptions: parameters.kept["mkfsOptions"]
        )
    }

    private init(mark: String, mkfsOptions: String?) throws(VolumeError) {
        self.mark = mark
        text = mkfsOptions ?? ""
        options = VolumeCapability.fileSystems.contains(mark) ? try MkfsOptions(text, for: mark) : nil
    }

    /// What a node will make on a blank image: what stands on the image, else what the request says, else what a node
    /// takes.
    ///
    /// Options that mkfs will refuse anyway limit nothing, so the file system's own limits hold.
    init(onImage metadata: [String: String], _ capability: VolumeCapability?) {
        mark =
            metadata[ImageMetadataKey.fileSystem] ?? capability?.fileSystemMark ?? MountAccess().fileSystem
        let given = NodeParameters.mkfsOptions(in: metadata) ?? ""
        guard VolumeCapability.fileSystems.contains(mark) else { (text, options) = (given, nil); return }
        if let read = try? MkfsOptions(given, for: mark, isMade: true) {
            (text, options) = (given, read)
        } else {
            (text, options) = ("", try? MkfsOptions("", for: mark))
        }
    }

    /// What the image remembers of its use; nothing where that was left open, or said in several ways.
    static func mark(_ capabilities: [VolumeCapability], _ parameters: VolumeParameters) -> String? {
        let marks = Set(capabilities.map { $0.fileSystemMark ?? parameters.fileSystem })
        return marks.count == 1 ? marks.first ?? nil : nil
    }

    /// The largest size in bytes that the file system can have.
    var largestBytes: UInt64 { options?.largestBytes ?? CapacityRange.largestBytes }

    /// The least size in bytes; a raw device takes any.
    var smallestBytes: UInt64 { options?.smallestBytes ?? 0 }

    /// For a person: `xfs with mkfsOptions '-d agcount=64'`.
    var description: String { text.isEmpty ? mark : "\(mark) with mkfsOptions '\(text.printable)'" }

    /// Why the file system cannot have a size, or nothing.
    ///
    /// - Parameters:
    ///   - what: What cannot be done: `create volume 'x'`.
    ///   - sizeBytes: The size.
    /// - Returns: The error, whose limit is `largestBytes`.
    func sizeRefusal(_ what: String, _ sizeBytes: UInt64) -> VolumeError? {
        guard sizeBytes > largestBytes else { return nil }
        return VolumeError(
            .outOfRange,
            "cannot \(what) with \(sizeBytes.inBinaryUnits): \(self) has at most \(largestBytes.inBinaryUnits); ask for "
                + "less, or use \(mark == "xfs" ? "a larger agsize in mkfsOptions" : "xfs")"
        )
    }

    /// Why mkfs cannot make the file system with that size, in words for an error, or nothing.
    func mkfsRefusal(_ sizeBytes: UInt64, _ trial: (any FileSystemTrial)?) async -> String? {
        guard let options, let reason = await trial?.refusal(of: mark, options, sizeBytes: sizeBytes) else {
            return nil
        }
        return
            "mkfs.\(mark) refuses mkfsOptions '\(text.printable)' for a volume of \(sizeBytes.inBinaryUnits): \(reason)"
    }
}
