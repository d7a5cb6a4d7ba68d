extension CSI {
    /// CSI: CapacityRange.
    package struct CapacityRange: Message {
        /// At least this; 0 for no bound.
        package var requiredBytes: Int64 = 0
        /// At most this; 0 for no bound.
        package var limitBytes: Int64 = 0

        /// The message with every field at its default.
        package init() {}

        /// CSI: CapacityRange.
        package static let fields: [Field<Self>] = [
            .int64("requiredBytes", \.requiredBytes),
            .int64("limitBytes", \.limitBytes),
        ]
    }

    /// CSI: Volume.
    package struct Volume: Message {
        /// Its size; 0 when unknown.
        package var capacityBytes: Int64 = 0
        /// Its handle.
        package var volumeID: String = ""
        /// What the node needs to know: the PV's volumeAttributes.
        package var volumeContext: [String: String] = [:]
        /// What it was made from.
        package var contentSource: VolumeContentSource?
        /// From where it can be reached.
        package var accessibleTopology: [Topology] = []

        /// The message with every field at its default.
        package init() {}

        /// CSI: Volume.
        package static let fields: [Field<Self>] = [
            .int64("capacityBytes", \.capacityBytes),
            .string("volumeId", \.volumeID, .opaque),
            .map("volumeContext", \.volumeContext),
            .message("contentSource", \.contentSource),
            .messages("accessibleTopology", \.accessibleTopology),
        ]
    }

    /// CSI: VolumeContentSource.
    package struct VolumeContentSource: Message {
        /// A snapshot; excludes `volume`.
        package var snapshot: SnapshotSource?
        /// A volume; excludes `snapshot`.
        package var volume: VolumeSource?

        /// The message with every field at its default.
        package init() {}

        /// CSI: VolumeContentSource.
        package static let fields: [Field<Self>] = [
            .message("snapshot", \.snapshot, oneof: "type"),
            .message("volume", \.volume, oneof: "type"),
        ]
    }

    /// CSI: VolumeContentSource.SnapshotSource.
    package struct SnapshotSource: Message {
        /// The snapshot's handle.
        package var snapshotID: String = ""

        /// The message with every field at its default.
        package init() {}

        /// CSI: VolumeContentSource.SnapshotSource.
        package static let fields: [Field<Self>] = [
            .string("snapshotId", \.snapshotID)
        ]
    }

    /// CSI: VolumeContentSource.VolumeSource.
    package struct VolumeSource: Message {
        /// The volume's handle.
        package var volumeID: String = ""

        /// The message with every field at its default.
        package init() {}

        /// CSI: VolumeContentSource.VolumeSource.
        package static let fields: [Field<Self>] = [
            .string("volumeId", \.volumeID)
        ]
    }

    /// CSI: VolumeCondition.
    package struct VolumeCondition: Message {
        /// Whether something is wrong.
        package var abnormal: Bool = false
        /// One sentence.
        package var message: String = ""

        /// The message with every field at its default.
        package init() {}

        /// CSI: VolumeCondition.
        package static let fields: [Field<Self>] = [
            .bool("abnormal", \.abnormal),
            .string("message", \.message, .opaque),
        ]
    }
}
