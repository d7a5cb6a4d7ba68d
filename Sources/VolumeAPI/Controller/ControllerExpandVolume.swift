package import Secrets

extension CSI.Controller {
    /// Grows a volume.
    package enum ControllerExpandVolume: ControllerMethod {
        /// CSI: ControllerExpandVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// The sizes wanted.
            package var capacityRange: CSI.CapacityRange?
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]
            /// How the volume is used.
            package var volumeCapability: CSI.VolumeCapability?

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerExpandVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true),
                .message("capacityRange", \.capacityRange, required: true),
                .secrets("secrets", \.secrets),
                .message("volumeCapability", \.volumeCapability),
            ]
        }

        /// CSI: ControllerExpandVolumeResponse.
        package struct Response: Message {
            /// The size now.
            package var capacityBytes: Int64 = 0
            /// Whether a node must grow the file system.
            package var nodeExpansionRequired: Bool = false

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerExpandVolumeResponse.
            package static let fields: [Field<Self>] = [
                .int64("capacityBytes", \.capacityBytes),
                .bool("nodeExpansionRequired", \.nodeExpansionRequired),
            ]
        }
    }
}
