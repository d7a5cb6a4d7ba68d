package import Secrets

extension CSI.Node {
    /// Maps the image and mounts it at the staging path.
    package enum NodeStageVolume: NodeMethod {
        /// CSI: NodeStageVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// What ControllerPublishVolume gave.
            package var publishContext: [String: String] = [:]
            /// Where the volume is, or will be, staged.
            package var stagingTargetPath: String = ""
            /// How the volume is used.
            package var volumeCapability: CSI.VolumeCapability?
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]
            /// What CreateVolume returned: the PV's volumeAttributes.
            package var volumeContext: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeStageVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true),
                .map("publishContext", \.publishContext),
                .string("stagingTargetPath", \.stagingTargetPath, .path, required: true),
                .message("volumeCapability", \.volumeCapability, required: true),
                .secrets("secrets", \.secrets),
                .map("volumeContext", \.volumeContext),
            ]
        }

        /// CSI: NodeStageVolumeResponse.
        package typealias Response = EmptyMessage
    }

    /// Unmounts the staging path and unmaps the image.
    package enum NodeUnstageVolume: NodeMethod {
        /// CSI: NodeUnstageVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// Where the volume is, or will be, staged.
            package var stagingTargetPath: String = ""

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeUnstageVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .anyHandle, required: true),
                .string("stagingTargetPath", \.stagingTargetPath, .recordedPath, required: true),
            ]
        }

        /// CSI: NodeUnstageVolumeResponse.
        package typealias Response = EmptyMessage
    }
}
