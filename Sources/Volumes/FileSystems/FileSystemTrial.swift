/// Whether mkfs would make a file system, asked before there is a volume to make it on.
///
/// What an option means depends on others, on the volume's size and on the release of mkfs, so nobody but mkfs can say.
public protocol FileSystemTrial: Sendable {
    /// Why these options will not do for a volume of that size: mkfs refuses them, or would make more groups than a node
    /// can do with; nothing when they will, or when mkfs cannot be asked here.
    ///
    /// - Parameters:
    ///   - fileSystem: `ext4` or `xfs`.
    ///   - options: The class's, read.
    ///   - sizeBytes: The volume's size.
    /// - Returns: mkfs's own words, or how many groups it would make; without a full stop.
    func refusal(of fileSystem: String, _ options: MkfsOptions, sizeBytes: UInt64) async -> String?
}
