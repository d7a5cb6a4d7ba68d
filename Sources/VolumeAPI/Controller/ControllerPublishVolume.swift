package import Secrets

extension CSI.Controller {
    /// Attaches a volume to a node; Nacre does not need this step.
    package enum ControllerPublishVolume: ControllerMethod {
        /// CSI: ControllerPublishVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// The node.
            package var nodeID: String = ""
            /// How the volume is used.
            package var volumeCapability: CSI.VolumeCapability?
            /// Whether to attach it read-only.
            package var readonly: Bool = false
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]
            /// What CreateVolume returned: the PV's volumeAttributes.
            package var volumeContext: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerPublishVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true),
                .string("nodeId", \.nodeID, required: true),
                .message("volumeCapability", \.volumeCapability, required: true),
                .bool("readonly", \.readonly),
                .secrets("secrets", \.secrets),
                .map("volumeContext", \.volumeContext),
            ]
        }

        /// CSI: ControllerPublishVolumeResponse.
        package struct Response: Message {
            /// What ControllerPublishVolume gave.
            package var publishContext: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerPublishVolumeResponse.
            package static let fields: [Field<Self>] = [
                .map("publishContext", \.publishContext)
            ]
        }
    }

    /// Detaches a volume from a node; Nacre does not need this step.
    package enum ControllerUnpublishVolume: ControllerMethod {
        /// CSI: ControllerUnpublishVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// The node; empty for all.
            package var nodeID: String = ""
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerUnpublishVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .anyHandle, required: true),
                .string("nodeId", \.nodeID),
                .secrets("secrets", \.secrets),
            ]
        }

        /// CSI: ControllerUnpublishVolumeResponse.
        package typealias Response = EmptyMessage
    }
}
