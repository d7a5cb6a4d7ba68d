internal import ExactText
public import Volumes

extension BackupStore {
    /// What a check found.
    public struct Finding: Sendable {
        /// How many chunks were read.
        public var chunks = 0
        /// Bytes of their objects.
        public var bytes: UInt64 = 0
        /// What is damaged, and which parts of which volumes it held, a sentence each.
        public var faults: [String] = []
    }

    /// Reads all chunks of backups, each once, and checks all that can be checked.
    ///
    /// - Parameters:
    ///   - volume: The only volume that is meant; all of them without.
    ///   - backup: The only backup that is meant.
    ///   - progress: What is told of it.
    /// - Returns: What was found.
    /// - Throws: `VolumeError` if the destination cannot be read.
    public func verify(
        _ volume: VolumeID? = nil,
        only backup: String? = nil,
        _ progress: BackupProgress
    ) async throws(VolumeError) -> Finding {
        progress.enter("reading the manifests")
        let listing = try await backups(of: volume)
        var finding = Finding(faults: backup == nil ? listing.damaged.map(\.message) : [])
        let wanted = listing.backups.filter { manifest in backup.map { manifest.id.isExactly($0) } ?? true }
        for var manifests in Self.byVolume(wanted) {
            while !manifests.isEmpty {
                let found = try await check(manifests, progress)
                // What another nacre removes meanwhile is not damaged.
                let there =
                    found.faults.isEmpty ? nil : Set(try await backups(of: manifests[0].volume).backups.map(\.id))
                let left = there.map { there in manifests.filter { there.contains($0.id) } } ?? manifests
                if left.count == manifests.count {
                    finding.chunks += found.chunks
                    finding.bytes += found.bytes
                    finding.faults += found.faults
                    break
                }
                manifests = left
            }
        }
        return finding
    }

    /// Checks backups of one volume.
    private func check(_ manifests: [Manifest], _ progress: BackupProgress) async throws(VolumeError) -> Finding {
        var finding = Finding()
        var uses = ChunkUses()
        for manifest in manifests {
            do throws(VolumeError) {
                let map = try await readingOne(of: BackupKeys(manifest.volume)) { () async throws(VolumeError) in
                    try await self.map(of: manifest)
                }
                uses.add(map, of: manifest)
            } catch {
                guard error.code == .dataLoss else { throw error }
                finding.faults.append(
                    "\(error.message); it is all of backup \(manifest.id) of volume '\(manifest.volume)'"
                )
            }
        }
        try await check(uses, BackupKeys(manifests[0].volume), progress, &finding)
        return finding
    }

    private static func byVolume(_ manifests: [Manifest]) -> [[Manifest]] {
        var groups: [[Manifest]] = []
        for manifest in manifests {
            if let last = groups.last?.first, last.volume == manifest.volume {
                groups[groups.count - 1].append(manifest)
            } else {
                groups.append([manifest])
            }
        }
        return groups
    }

    private func check(
        _ uses: ChunkUses,
        _ keys: BackupKeys,
        _ progress: BackupProgress,
        _ finding: inout Finding
    ) async throws(VolumeError) {
        let records = uses.records
        progress.enter("reading chunks", total: records.reduce(0) { $0 + UInt64($1.storedBytes) })
        let faults = try await atOnce(records, width: 8) { (record) async throws(VolumeError) -> String? in
            do throws(VolumeError) {
                let content = try await readingOne(of: keys) { () async throws(VolumeError) in
                    try await self.content(of: record.digest, keys)
                }
                progress.add(UInt64(record.storedBytes))
                guard content.count == Int(record.contentBytes) else {
                    return damaged(keys.chunk(record.digest), Damage("it has not the length that a map says")).message
                }
                return nil
            } catch {
                guard error.code == .dataLoss else { throw error }
                return error.message
            }
        }
        for (record, fault) in zip(records, faults) {
            finding.chunks += 1
            finding.bytes += UInt64(record.storedBytes)
            if let fault { finding.faults.append("\(fault); it held \(uses.words(record.digest))") }
        }
    }
}

/// Which parts of which backups lie in which chunks.
private struct ChunkUses: Sendable {
    private(set) var records: [BlockMap.ChunkRecord] = []
    private var known: Set<Digest> = []
    private var maps: [(manifest: Manifest, map: BlockMap)] = []

    /// So many ranges are told of each backup.
    private static let told = 4

    mutating func add(_ map: BlockMap, of manifest: Manifest) {
        maps.append((manifest, map))
        for record in map.chunks where known.insert(record.digest).inserted { records.append(record) }
    }

    /// The ranges that a chunk held: `bytes 0 to 4194303 of volume 'c/p//i' (backup …)`.
    func words(_ digest: Digest) -> String {
        var words: [String] = []
        for (manifest, map) in maps {
            guard let number = map.chunks.firstIndex(where: { $0.digest == digest }) else { continue }
            let held = map.extents.filter { $0.chunk == UInt32(number) }
            let ranges = held.prefix(Self.told).map { "\($0.offset) to \($0.end - 1)" }.joined(separator: ", ")
            let more = held.count > Self.told ? " and \(held.count - Self.told) more ranges" : ""
            words.append("bytes \(ranges)\(more) of volume '\(manifest.volume)' in backup \(manifest.id)")
        }
        let more = words.count > Self.told ? ", and parts of \(words.count - Self.told) more backups" : ""
        return words.prefix(Self.told).joined(separator: ", ") + more
    }
}
