internal import FoundationEssentials
internal import LinuxKernel
internal import SystemPackage
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
    /// - Throws: `VolumeError` with `.internal` when a record cannot be read.
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

extension VolumeRecords {
    /// Every record that is there.
    func all() throws(KernelError) -> [VolumeRecord] {
        guard try FileKind.of(directory) != nil else { return [] }
        var records: [VolumeRecord] = []
        for name in try KernelFile.names(in: directory) where name.hasSuffix(".json") {
            let path = "\(directory)/\(name)"
            // Another volume's record may go while we read.
            guard try FileKind.of(path) != nil else { continue }
            guard let record = try? JSONDecoder().decode(VolumeRecord.self, from: Data(KernelFile.bytes(path))) else {
                throw KernelError("decode", .illegalByteSequence, path)
            }
            records.append(record)
        }
        return records
    }
}
