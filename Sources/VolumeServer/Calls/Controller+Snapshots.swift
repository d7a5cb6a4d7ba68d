internal import ExactText
internal import Secrets
internal import Timestamps
internal import VolumeAPI
internal import Volumes

extension Handler {
    /// The calls on snapshots.
    static func snapshots(_ service: any ControllerService) -> [Handler] {
        [.createSnapshot(service), .deleteSnapshot(service), .getSnapshot(service), .listSnapshots(service)]
    }

    private static func createSnapshot(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.CreateSnapshot.self, subject: { .name($0.name) }) {
            request,
            deadline throws(VolumeError) in
            let snapshot = try await service.createSnapshot(
                CreateSnapshotRequest(
                    name: request.name,
                    source: request.sourceVolumeID,
                    parameters: request.parameters,
                    credentials: try request.secrets.credentials()
                ),
                deadline: deadline
            )
            var response = CSI.Controller.CreateSnapshot.Response()
            response.snapshot = snapshot.message
            return response
        }
    }

    private static func deleteSnapshot(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.DeleteSnapshot.self, subject: { .snapshot($0.snapshotID) }) {
            request,
            deadline throws(VolumeError) in
            try await service.deleteSnapshot(
                request.snapshotID,
                credentials: try request.secrets.optionalCredentials(),
                deadline: deadline
            )
            return EmptyMessage()
        }
    }

    private static func getSnapshot(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.GetSnapshot.self, subject: { .snapshot($0.snapshotID) }) {
            request,
            deadline throws(VolumeError) in
            let snapshot = try await service.snapshot(
                request.snapshotID,
                credentials: try request.secrets.optionalCredentials(),
                deadline: deadline
            )
            var response = CSI.Controller.GetSnapshot.Response()
            response.snapshot = snapshot.message
            return response
        }
    }

    private static func listSnapshots(_ service: any ControllerService) -> Handler {
        .offer(CSI.Controller.ListSnapshots.self) { request, deadline throws(VolumeError) in
            typealias Call = CSI.Controller.ListSnapshots
            guard request.maxEntries >= 0 else { throw .invalid("maxEntries: \(request.maxEntries) is negative") }
            let page: SnapshotPage
            if request.snapshotID.isEmpty {
                page = try await service.snapshots(
                    of: request.sourceVolumeID.isEmpty ? nil : request.sourceVolumeID,
                    maximum: Int(request.maxEntries),
                    token: request.startingToken,
                    deadline: deadline
                )
            } else {
                page = try await only(request, service, deadline)
            }
            var response = Call.Response()
            response.entries = page.snapshots.map { snapshot in
                var entry = Call.Entry()
                entry.snapshot = snapshot.message
                return entry
            }
            response.nextToken = page.nextToken
            return response
        }
    }

    /// The one snapshot that the request names; CSI: none, if there is no such.
    private static func only(
        _ request: CSI.Controller.ListSnapshots.Request,
        _ service: any ControllerService,
        _ deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> SnapshotPage {
        let none = SnapshotPage(snapshots: [], nextToken: "")
        let found: Snapshot
        do throws(VolumeError) {
            found = try await service.snapshot(
                request.snapshotID,
                credentials: try request.secrets.optionalCredentials(),
                deadline: deadline
            )
        } catch {
            guard error.code == .notFound else { throw error }
            return none
        }
        let source = request.sourceVolumeID
        guard source.isEmpty || found.sourceHandle.isExactly(source) else { return none }
        return SnapshotPage(snapshots: [found], nextToken: "")
    }
}

extension Snapshot {
    /// The snapshot as CSI tells it.
    var message: CSI.Snapshot {
        var message = CSI.Snapshot()
        message.snapshotID = id.description
        message.sourceVolumeID = sourceHandle
        message.sizeBytes = Int64(clamping: sizeBytes)
        message.creationTime = Timestamp.text(created, hasMicroseconds: true)
        message.readyToUse = isReady
        message.name = name
        message.sourceDeleted = source == nil
        message.notes = notes
        return message
    }
}

extension CSI.VolumeContentSource {
    /// The source as the services know it.
    func checked() throws(VolumeError) -> ContentSource {
        if let snapshot {
            guard !snapshot.snapshotID.isEmpty else {
                throw .invalid("volumeContentSource.snapshot.snapshotId: missing, but required")
            }
            return .snapshot(snapshot.snapshotID)
        }
        guard let volume else { throw .invalid("volumeContentSource: neither 'snapshot' nor 'volume' is set") }
        guard !volume.volumeID.isEmpty else {
            throw .invalid("volumeContentSource.volume.volumeId: missing, but required")
        }
        return .volume(volume.volumeID)
    }
}

extension ContentSource {
    /// The source as CSI tells it.
    var message: CSI.VolumeContentSource {
        var message = CSI.VolumeContentSource()
        switch self {
        case .snapshot(let handle):
            var source = CSI.SnapshotSource()
            source.snapshotID = handle
            message.snapshot = source
        case .volume(let handle):
            var source = CSI.VolumeSource()
            source.volumeID = handle
            message.volume = source
        }
        return message
    }
}

extension [String: Secret] {
    /// The user and its key; `nil` for the service's own user, where none is given.
    func optionalCredentials() throws(VolumeError) -> Credentials? {
        isEmpty ? nil : try credentials()
    }
}
