package import Secrets

extension CSI.Controller {
    /// Takes a snapshot, or finds the one that an earlier call with that name took.
    package enum CreateSnapshot: ControllerMethod {
        /// CSI: CreateSnapshotRequest.
        package struct Request: Message {
            /// The volume to take it of.
            package var sourceVolumeID: String = ""
            /// The caller's name for it; repeated calls with it mean the same snapshot.
            package var name: String = ""
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]
            /// The VolumeSnapshotClass' parameters.
            package var parameters: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: CreateSnapshotRequest.
            package static let fields: [Field<Self>] = [
                .string("sourceVolumeId", \.sourceVolumeID, .handle, required: true),
                .string("name", \.name, required: true),
                .secrets("secrets", \.secrets),
                .map("parameters", \.parameters),
            ]
        }

        /// CSI: CreateSnapshotResponse.
        package struct Response: Message {
            /// The snapshot.
            package var snapshot: CSI.Snapshot?

            /// The message with every field at its default.
            package init() {}

            /// CSI: CreateSnapshotResponse.
            package static let fields: [Field<Self>] = [
                .message("snapshot", \.snapshot)
            ]
        }
    }

    /// Removes a snapshot.
    package enum DeleteSnapshot: ControllerMethod {
        /// CSI: DeleteSnapshotRequest.
        package struct Request: Message {
            /// Its handle.
            package var snapshotID: String = ""
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: DeleteSnapshotRequest.
            package static let fields: [Field<Self>] = [
                .string("snapshotId", \.snapshotID, .anyHandle, required: true),
                .secrets("secrets", \.secrets),
            ]
        }

        /// CSI: DeleteSnapshotResponse.
        package typealias Response = EmptyMessage
    }

    /// A snapshot.
    package enum GetSnapshot: ControllerMethod {
        /// CSI: GetSnapshotRequest.
        package struct Request: Message {
            /// Its handle.
            package var snapshotID: String = ""
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: GetSnapshotRequest.
            package static let fields: [Field<Self>] = [
                .string("snapshotId", \.snapshotID, .handle, required: true),
                .secrets("secrets", \.secrets),
            ]
        }

        /// CSI: GetSnapshotResponse.
        package struct Response: Message {
            /// The snapshot.
            package var snapshot: CSI.Snapshot?

            /// The message with every field at its default.
            package init() {}

            /// CSI: GetSnapshotResponse.
            package static let fields: [Field<Self>] = [
                .message("snapshot", \.snapshot)
            ]
        }
    }

    /// The snapshots, page by page.
    package enum ListSnapshots: ControllerMethod {
        /// CSI: ListSnapshotsRequest.
        package struct Request: Message {
            /// The longest page wanted; 0 for our choice.
            package var maxEntries: Int32 = 0
            /// The `nextToken` of the page before.
            package var startingToken: String = ""
            /// Only those of this volume.
            package var sourceVolumeID: String = ""
            /// Only this one.
            package var snapshotID: String = ""
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: ListSnapshotsRequest.
            package static let fields: [Field<Self>] = [
                .int32("maxEntries", \.maxEntries),
                .string("startingToken", \.startingToken, .opaque),
                .string("sourceVolumeId", \.sourceVolumeID, .anyHandle),
                .string("snapshotId", \.snapshotID, .anyHandle),
                .secrets("secrets", \.secrets),
            ]
        }

        /// CSI: ListSnapshotsResponse.
        package struct Response: Message {
            /// The page.
            package var entries: [Entry] = []
            /// Where the next page starts.
            package var nextToken: String = ""

            /// The message with every field at its default.
            package init() {}

            /// CSI: ListSnapshotsResponse.
            package static let fields: [Field<Self>] = [
                .messages("entries", \.entries),
                .string("nextToken", \.nextToken, .opaque),
            ]
        }

        /// CSI: ListSnapshotsResponse.Entry.
        package struct Entry: Message {
            /// The snapshot.
            package var snapshot: CSI.Snapshot?

            /// The message with every field at its default.
            package init() {}

            /// CSI: ListSnapshotsResponse.Entry.
            package static let fields: [Field<Self>] = [
                .message("snapshot", \.snapshot)
            ]
        }
    }
}
