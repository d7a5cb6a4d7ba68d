package import Secrets

extension CSI.Controller {
    /// A volume and how it is.
    package enum ControllerGetVolume: ControllerMethod {
        /// CSI: ControllerGetVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerGetVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true)
            ]
        }

        /// CSI: ControllerGetVolumeResponse.
        package struct Response: Message {
            /// The volume.
            package var volume: CSI.Volume?
            /// How it is.
            package var status: VolumeStatus?

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerGetVolumeResponse.
            package static let fields: [Field<Self>] = [
                .message("volume", \.volume),
                .message("status", \.status),
            ]
        }

        /// CSI: ControllerGetVolumeResponse.VolumeStatus.
        package struct VolumeStatus: Message {
            /// The nodes that have it.
            package var publishedNodeIDs: [String] = []
            /// How it is.
            package var volumeCondition: CSI.VolumeCondition?

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerGetVolumeResponse.VolumeStatus.
            package static let fields: [Field<Self>] = [
                .strings("publishedNodeIds", \.publishedNodeIDs, .opaque),
                .message("volumeCondition", \.volumeCondition),
            ]
        }
    }

    /// Changes a volume's mutable parameters; there are none yet.
    package enum ControllerModifyVolume: ControllerMethod {
        /// CSI: ControllerModifyVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]
            /// The VolumeAttributesClass' parameters.
            package var mutableParameters: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerModifyVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true),
                .secrets("secrets", \.secrets),
                .map("mutableParameters", \.mutableParameters),
            ]
        }

        /// CSI: ControllerModifyVolumeResponse.
        package typealias Response = EmptyMessage
    }
}
