package import Secrets

extension CSI.Node {
    /// Binds the staged volume to the pod's path.
    package enum NodePublishVolume: NodeMethod {
        /// CSI: NodePublishVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// What ControllerPublishVolume gave.
            package var publishContext: [String: String] = [:]
            /// Where the volume is, or will be, staged.
            package var stagingTargetPath: String = ""
            /// Where the pod sees the volume.
            package var targetPath: String = ""
            /// How the volume is used.
            package var volumeCapability: CSI.VolumeCapability?
            /// Whether the pod may only read.
            package var readonly: Bool = false
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]
            /// What CreateVolume returned: the PV's volumeAttributes.
            package var volumeContext: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodePublishVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true),
                .map("publishContext", \.publishContext),
                .string("stagingTargetPath", \.stagingTargetPath, .path),
                .string("targetPath", \.targetPath, .path, required: true),
                .message("volumeCapability", \.volumeCapability, required: true),
                .bool("readonly", \.readonly),
                .secrets("secrets", \.secrets),
                .map("volumeContext", \.volumeContext),
            ]
        }

        /// CSI: NodePublishVolumeResponse.
        package typealias Response = EmptyMessage
    }

    /// Takes the pod's path away.
    package enum NodeUnpublishVolume: NodeMethod {
        /// CSI: NodeUnpublishVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// Where the pod sees the volume.
            package var targetPath: String = ""

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeUnpublishVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .anyHandle, required: true),
                .string("targetPath", \.targetPath, .recordedPath, required: true),
            ]
        }

        /// CSI: NodeUnpublishVolumeResponse.
        package typealias Response = EmptyMessage
    }
}
