extension CSI {
    /// CSI: Snapshot.
    package struct Snapshot: Message {
        /// The size of a volume made from it, at least.
        package var sizeBytes: Int64 = 0
        /// Its handle.
        package var snapshotID: String = ""
        /// The volume it was taken of.
        package var sourceVolumeID: String = ""
        /// When it was taken: RFC 3339.
        package var creationTime: String = ""
        /// Whether a volume can be made from it.
        package var readyToUse: Bool = false
        /// The group it was taken with.
        package var groupSnapshotID: String = ""
        /// Nacre's own: the name under which it was requested.
        package var name: String = ""
        /// Nacre's own: whether the volume that it was taken of was deleted since.
        package var sourceDeleted: Bool = false
        /// Nacre's own: what was noted with the create.
        package var notes: [String: String] = [:]

        /// The message with every field at its default.
        package init() {}

        /// CSI: Snapshot.
        package static let fields: [Field<Self>] = [
            .int64("sizeBytes", \.sizeBytes),
            .string("snapshotId", \.snapshotID, .opaque),
            .string("sourceVolumeId", \.sourceVolumeID, .opaque),
            .string("creationTime", \.creationTime, .opaque),
            .bool("readyToUse", \.readyToUse),
            .string("groupSnapshotId", \.groupSnapshotID, .opaque),
            .string("nacreName", \.name, .opaque),
            .bool("nacreSourceDeleted", \.sourceDeleted),
            .map("nacreNotes", \.notes),
        ]
    }
}
