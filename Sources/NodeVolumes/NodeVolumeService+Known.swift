internal import LinuxKernel
public import Volumes

/// A volume that this node remembers.
public struct KnownVolume: Sendable, Hashable {
    /// The volume's handle.
    public let volumeID: String
    /// Where it is staged, or was to be.
    public let stagingPath: String
    /// The pods' paths.
    public let targets: [String]
    /// Whether it is a raw device.
    public let isBlock: Bool
}

extension NodeVolumeService {
    /// All volumes that this node has something of, by the records of what was begun.
    ///
    /// - Returns: The volumes in no particular order.
    /// - Throws: `VolumeError` with `.internal` when the records cannot be listed.
    public func knownVolumes() async throws(VolumeError) -> [KnownVolume] {
        let records = records
        let all = try await kernel("read the records of volumes") { () throws(KernelError) in try records.all() }
        return all.map { record in
            KnownVolume(
                volumeID: record.volumeID,
                stagingPath: record.stagingPath,
                targets: record.targets.map(\.path),
                isBlock: record.usage.isBlock
            )
        }
    }
}
