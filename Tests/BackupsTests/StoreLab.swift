import Foundation
import Volumes

@testable import Backups

/// A directory with backups that no Ceph was needed for.
final class StoreLab: Sendable {
    let path: String
    let store: BackupStore
    let volume: VolumeID
    let keys: BackupKeys
    let progress = BackupProgress()

    /// Makes it; a place in front of the directory may fail, or watch.
    init(behind wrap: (any BackupDestination) -> any BackupDestination = { $0 }) async throws {
        path = "/tmp/nacre-s\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        store = BackupStore(wrap(try await DirectoryDestination(path)))
        volume = try VolumeID(clusterID: "a", pool: "p", namespace: "", image: "csi-vol-1")
        keys = BackupKeys(volume)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The file of a key.
    func file(_ key: String) -> String { "\(path)/\(key)" }

    /// All files but the lock, by their keys.
    func files() -> Set<String> {
        let all = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return Set(
            all.filter { key in
                var isDirectory: ObjCBool = false
                return FileManager.default.fileExists(atPath: file(key), isDirectory: &isDirectory)
                    && !isDirectory.boolValue
                    && !key.hasSuffix("/lock")
            }
        )
    }

    /// Flips a bit in the midst of a file.
    func damage(_ key: String) throws {
        var bytes = [UInt8](try Data(contentsOf: URL(filePath: file(key))))
        bytes[bytes.count / 2] ^= 8
        try Data(bytes).write(to: URL(filePath: file(key)))
    }

    func remove(_ chosen: Set<String>) async throws -> BackupStore.Removal {
        try await store.remove(from: volume, for: "test", progress) { _ in chosen }
    }

    /// The document `chain.json` of a volume.
    static func chain(of volume: String) -> [UInt8] {
        let body = Array(#"{"chain":"c","volume":"\#(volume)""#.utf8)
        return body + Array(#","checksum":"\#(Digest(of: body))"}"#.utf8) + [UInt8(ascii: "\n")]
    }

    /// Makes a backup with these chunks, one behind the other.
    @discardableResult
    func backup(_ number: Int, _ contents: [[UInt8]]) async throws -> Manifest {
        let place = store.destination
        try await place.put(Self.chain(of: "\(volume)"), as: keys.chain)
        var map = BlockMap(sizeBytes: 1 << 20)
        for (index, content) in contents.enumerated() {
            let object = Chunk.object(of: content)
            let record = BlockMap.ChunkRecord(
                digest: Digest(of: content),
                contentBytes: UInt32(content.count),
                storedBytes: UInt32(object.count)
            )
            try await place.put(object, as: keys.chunk(record.digest))
            map.chunks.append(record)
            map.extents.append(
                BlockMap.Extent(
                    offset: UInt64(index) << 12,
                    length: UInt32(content.count),
                    chunk: UInt32(index),
                    position: 0
                )
            )
        }
        let digest = Digest(of: map.bytes)
        try await place.put(Chunk.object(of: map.bytes), as: keys.map(digest))
        let manifest = Manifest(
            id: "4c1d5f4e-0000-4000-8000-00000000000\(number)",
            chain: "c",
            volume: volume,
            imageID: "1a2b",
            snapshotID: UInt64(number),
            sizeBytes: 1 << 20,
            created: "2026-11-2\(number)T08:09:47.000120Z",
            kind: .full,
            reason: nil,
            parent: nil,
            map: digest,
            changedBytes: 0,
            readBytes: 0,
            addedBytes: 0,
            dataBytes: map.dataBytes,
            storedBytes: map.storedBytes,
            metadata: [:]
        )
        try await place.put(manifest.bytes, as: keys.manifest(manifest.id))
        return manifest
    }
}
