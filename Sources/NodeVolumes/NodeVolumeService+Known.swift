internal import ExactText
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
    /// The pods' paths as they were published, where links in them led elsewhere.
    private let given: [String]
    /// Whether it is a raw device.
    public let isBlock: Bool

    /// Where the file system is mounted, or the device shows up, once the volume is staged.
    public let mountPath: String

    init(_ record: VolumeRecord) {
        volumeID = record.volumeID
        stagingPath = record.stagingPath
        targets = record.targets.map(\.path)
        given = record.targets.compactMap(\.given)
        isBlock = record.usage.isBlock
        mountPath = record.stagedMount
    }

    /// Whether it was published as this path, wherever the path leads by now.
    public func isPublished(as path: String) -> Bool {
        let path = NodeVolumeService.lexical(path)
        return targets.containsExactly(path) || given.containsExactly(path)
    }
}

extension NodeVolumeService {
    /// All volumes that this node has something of, by the records of what was begun.
    ///
    /// - Returns: The volumes in no particular order.
    /// - Throws: `VolumeError` with `.internal` when the records cannot be listed.
    public func knownVolumes() async throws(VolumeError) -> [KnownVolume] {
        let records = records
        let all = try await kernel("read the records of volumes") { () throws(KernelError) in try records.all() }
        return all.map(KnownVolume.init)
    }

    /// The same without a service, for who may only look: the records below the state directory of one.
    ///
    /// - Parameter stateDirectory: That of the node service, as `init` has it.
    /// - Returns: The volumes in no particular order; none where there is no such directory.
    /// - Throws: `VolumeError`: `.permissionDenied` when the records may not be read, `.internal` when they cannot be.
    public static func knownVolumes(in stateDirectory: String) throws(VolumeError) -> [KnownVolume] {
        do throws(KernelError) {
            return try VolumeRecords(directory: recordDirectory(in: stateDirectory)).all().map(KnownVolume.init)
        } catch {
            throw VolumeError(
                error.isNotAllowed ? .permissionDenied : .internal,
                "cannot read what the node service knows: \(error)"
            )
        }
    }

    static func recordDirectory(in stateDirectory: String) -> String { "\(stateDirectory)/volumes" }
}
