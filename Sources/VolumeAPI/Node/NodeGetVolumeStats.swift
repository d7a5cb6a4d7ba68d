extension CSI.Node {
    /// How full a volume is, and how it is.
    package enum NodeGetVolumeStats: NodeMethod {
        /// CSI: NodeGetVolumeStatsRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// Where the volume is published or staged.
            package var volumePath: String = ""
            /// Where the volume is, or will be, staged.
            package var stagingTargetPath: String = ""

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeGetVolumeStatsRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true),
                .string("volumePath", \.volumePath, .anyPath, required: true),
                .string("stagingTargetPath", \.stagingTargetPath, .path),
            ]
        }

        /// CSI: NodeGetVolumeStatsResponse.
        package struct Response: Message {
            /// How full it is.
            package var usage: [Usage] = []
            /// How it is.
            package var volumeCondition: CSI.VolumeCondition?

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeGetVolumeStatsResponse.
            package static let fields: [Field<Self>] = [
                .messages("usage", \.usage),
                .message("volumeCondition", \.volumeCondition),
            ]
        }

        /// CSI: VolumeUsage.
        package struct Usage: Message {
            /// Left.
            package var available: Int64 = 0
            /// In all.
            package var total: Int64 = 0
            /// Taken.
            package var used: Int64 = 0
            /// Of what.
            package var unit: Unit = .unknown

            /// The message with every field at its default.
            package init() {}

            /// CSI: VolumeUsage.
            package static let fields: [Field<Self>] = [
                .int64("available", \.available),
                .int64("total", \.total),
                .int64("used", \.used),
                .enumeration("unit", \.unit),
            ]
        }

        /// CSI: VolumeUsage.Unit.
        package enum Unit: String, WireEnum {
            case unknown = "UNKNOWN"
            case bytes = "BYTES"
            case inodes = "INODES"
        }
    }
}
