/// Whether mkfs would make a file system, asked before there is a volume to make it on.
///
/// What an option means depends on others, on the volume's size and on the release of mkfs, so nobody but mkfs can say.
public protocol FileSystemTrial: Sendable {
    /// Why mkfs refuses these options for a volume of that size; nothing when it takes them, or when it cannot be asked
    /// here.
    ///
    /// - Parameters:
    ///   - fileSystem: `ext4` or `xfs`.
    ///   - options: The class's, read.
    ///   - sizeBytes: The volume's size.
    /// - Returns: mkfs's own words, without a full stop.
    func refusal(of fileSystem: String, _ options: MkfsOptions, sizeBytes: UInt64) async -> String?
}
