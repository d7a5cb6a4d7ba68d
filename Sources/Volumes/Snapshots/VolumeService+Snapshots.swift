internal import ExactText
public import Secrets

extension VolumeService {
    /// Takes a snapshot of a volume, or finds the one that an earlier call with that name took.
    ///
    /// CSI: CreateSnapshot.
    public func createSnapshot(
        _ request: CreateSnapshotRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot {
        let name = try ImageName.snapshot(forRequest: request.name)
        guard !request.source.isEmpty else { throw .invalid("source volume id is missing") }
        let parameters = try SnapshotParameters(request.parameters)
        let source = try existing(request.source)
        if let clusterID = parameters.clusterID, !clusterID.isExactly(source.clusterID) {
            throw .invalid(
                "parameter clusterID '\(clusterID.printable)' is not the cluster of volume '\(source)'; name that, or drop "
                    + "the parameter"
            )
        }
        let notes = SnapshotNotes(
            name: request.name,
            source: source.description,
            others: parameters.notes.merging(request.notes) { $1 }
        )
        // With the longest note of a file system.
        guard notes.text.utf8.count + 128 <= SnapshotNotes.longestBytes else {
            throw .invalid(
                "the notes of snapshot '\(request.name.printable)' have \(notes.text.utf8.count) bytes, the limit is "
                    + "\(SnapshotNotes.longestBytes - 128); shorten them"
            )
        }
        return try await operations.run(
            "create snapshot '\(request.name)'",
            on: Self.key(source.clusterID, source.pool, source.namespace, name),
            fingerprint:
                "create \(request.name.debugDescription) \(source) \(notes.text) \(request.credentials.userID)",
            deadline: deadline,
            obstacle: { await self.store.standstill(of: source, as: request.credentials) }
        ) { () async throws(VolumeError) -> Snapshot in
            enter(SnapshotStep.lookingUpSource, source.imageSpec)
            let snapshot = try await self.finding(source) { () async throws(VolumeError) in
                try await self.store.takeSnapshot(
                    name,
                    of: source,
                    notes: notes,
                    credentials: request.credentials
                )
            }
            enter(SnapshotStep.answeringSnapshot, snapshot.id.description)
            return snapshot
        }
    }

    /// What a create with that name has begun for a volume, also when the volume was deleted since.
    ///
    /// Waits for a create of that name that is under way.
    public func begunSnapshot(
        named requestName: String,
        of source: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotID? {
        let name = try ImageName.snapshot(forRequest: requestName)
        let source = try existing(source)
        let title = "look for what is begun of snapshot '\(requestName)'"
        return try await operations.run(
            title,
            on: Self.key(source.clusterID, source.pool, source.namespace, name),
            fingerprint: "look for \(requestName.debugDescription) \(source) \(credentials.userID)",
            deadline: deadline,
            obstacle: { await self.store.standstill(of: source, as: credentials) }
        ) { () async throws(VolumeError) -> [SnapshotID] in
            enter(SnapshotStep.lookingUpSnapshot, source.imageSpec)
            do throws(VolumeError) {
                let found = try await self.store.begunSnapshot(
                    name,
                    requested: requestName,
                    of: source,
                    credentials: credentials
                )
                return found.map { [$0] } ?? []
            } catch {
                guard error.isOfMissingPlace else { throw error }
                return []
            }
        }
        .first
    }

    /// Removes a snapshot; succeeds if it does not exist.
    ///
    /// CSI: DeleteSnapshot.
    public func deleteSnapshot(
        _ handle: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        guard !handle.isEmpty else { throw .invalid("snapshot id is missing") }
        // CSI: a handle that is not of Nacre's form names a snapshot that does not exist.
        guard let id = try? SnapshotID(parsing: handle) else {
            guard !VolumeID.isOfCephCSI(handle) else { throw Self.snapshotOfCephCSI("delete", handle) }
            return
        }
        // An unknown cluster is an error, not a success: its snapshots exist and cannot be reached.
        let configured = try store.namespace(ofCluster: id.clusterID)
        guard configured.isExactly(id.namespace) else {
            throw VolumeError(
                .failedPrecondition,
                "cannot delete snapshot '\(id)': config.json now gives cluster '\(id.clusterID)' the RADOS namespace "
                    + "'\(configured)'; restore the old one to delete it"
            )
        }
        try await operations.run(
            "delete snapshot '\(id)'",
            on: Self.key(id.clusterID, id.pool, id.namespace, id.name),
            fingerprint: "delete \(id) \(credentials?.userID ?? "")",
            deadline: deadline,
            obstacle: { await self.store.clustersSilence() }
        ) { () async throws(VolumeError) in
            enter(SnapshotStep.lookingUpSnapshot, id.description)
            try await self.store.removeSnapshot(id, credentials: credentials)
            enter(SnapshotStep.answeringSnapshot, id.description)
        }
    }

    /// A snapshot; throws `.notFound` when there is none of that handle.
    ///
    /// CSI: GetSnapshot.
    public func snapshot(
        _ handle: String,
        credentials: Credentials?,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Snapshot {
        guard !handle.isEmpty else { throw .invalid("snapshot id is missing") }
        let id = try existingSnapshot(handle)
        return try await operations.runAlone(
            "get snapshot '\(id)'",
            deadline: deadline,
            obstacle: { await self.store.clustersSilence() }
        ) { () async throws(VolumeError) -> Snapshot in
            enter(SnapshotStep.lookingUpSnapshot, id.description)
            let found: Snapshot?
            do throws(VolumeError) {
                found = try await self.store.snapshot(id, credentials: credentials)
            } catch {
                guard error.isOfMissingPlace else { throw error }
                throw VolumeError(.notFound, "snapshot '\(id)' does not exist: \(error.message)")
            }
            guard let found else { throw VolumeError(.notFound, "snapshot '\(id)' does not exist") }
            return found
        }
    }

    /// A page of the snapshots that there are.
    ///
    /// CSI: ListSnapshots.
    public func snapshots(
        of source: String?,
        maximum: Int,
        token: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotPage {
        guard maximum >= 0 else { throw .invalid("max entries are negative: \(maximum)") }
        let cursor = token.isEmpty ? nil : try ImageCursor(token: token)
        let limit = maximum == 0 ? 500 : min(maximum, 1000)
        // CSI: of a volume that does not exist, there are none.
        guard let source, !source.isEmpty else { return try await all(after: cursor, limit: limit, deadline) }
        guard let volume = try? VolumeID(parsing: source) else { return SnapshotPage(snapshots: [], nextToken: "") }
        let found = try await operations.runAlone(
            "list the snapshots of volume '\(volume)'",
            deadline: deadline,
            obstacle: { await self.store.standstill(of: volume, as: nil) }
        ) { () async throws(VolumeError) -> [Snapshot] in
            enter(SnapshotStep.listingSnapshots, volume.imageSpec)
            do throws(VolumeError) {
                return try await self.store.snapshots(of: volume, credentials: nil)
            } catch {
                guard error.isOfMissingPlace else { throw error }
                return []
            }
        }
        let behind = found.sorted { ExactText($0.id.name) < ExactText($1.id.name) }
            .filter { snapshot in cursor.map { ExactText(snapshot.id.name) > ExactText($0.image) } ?? true }
        return Self.page(behind, limit: limit, missing: [])
    }

    private func all(
        after cursor: ImageCursor?,
        limit: Int,
        _ deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotPage {
        let found = try await operations.runAlone(
            "list snapshots",
            deadline: deadline,
            obstacle: { await self.store.clustersSilence() }
        ) { () async throws(VolumeError) -> SnapshotList in
            enter(SnapshotStep.listingSnapshots)
            // One more than requested, to know whether there is a next page.
            return try await self.store.snapshots(after: cursor, limit: limit + 1)
        }
        return Self.page(found.snapshots, limit: limit, missing: found.missing)
    }

    private static func page(_ found: [Snapshot], limit: Int, missing: [String]) -> SnapshotPage {
        let page = Array(found.prefix(limit))
        let isLast = found.count <= limit && missing.isEmpty
        let cursor = page.last.map { last in
            ImageCursor(clusterID: last.id.clusterID, pool: last.id.pool, image: last.id.name, missing: missing)
        }
        return SnapshotPage(snapshots: page, nextToken: isLast ? "" : cursor?.token ?? "")
    }

    /// Parses the handle of a snapshot that must exist; a handle of another form names none.
    func existingSnapshot(_ handle: String) throws(VolumeError) -> SnapshotID {
        do throws(VolumeError) {
            return try SnapshotID(parsing: handle)
        } catch {
            guard !VolumeID.isOfCephCSI(handle) else { throw Self.snapshotOfCephCSI("use", handle) }
            throw VolumeError(.notFound, "snapshot '\(handle.printable)' does not exist: \(error.message)")
        }
    }

    /// One operation for each name in a pool: the name is what two requests would meet at.
    private static func key(_ clusterID: String, _ pool: String, _ namespace: String, _ name: String) -> String {
        "\(clusterID)/\(pool)/\(namespace)@\(name)"
    }

    private static func snapshotOfCephCSI(_ doing: String, _ handle: String) -> VolumeError {
        VolumeError(
            .failedPrecondition,
            "cannot \(doing) snapshot '\(handle.printable)': the handle is ceph-csi's, whose snapshots Nacre cannot take "
                + "over; leave it to ceph-csi"
        )
    }
}
