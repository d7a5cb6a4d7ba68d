package import Secrets

extension CSI.Node {
    /// Grows device and file system to the image's size.
    package enum NodeExpandVolume: NodeMethod {
        /// CSI: NodeExpandVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// Where the volume is published or staged.
            package var volumePath: String = ""
            /// The sizes wanted.
            package var capacityRange: CSI.CapacityRange?
            /// Where the volume is, or will be, staged.
            package var stagingTargetPath: String = ""
            /// How the volume is used.
            package var volumeCapability: CSI.VolumeCapability?
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeExpandVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true),
                .string("volumePath", \.volumePath, .anyPath, required: true),
                .message("capacityRange", \.capacityRange),
                .string("stagingTargetPath", \.stagingTargetPath, .path),
                .message("volumeCapability", \.volumeCapability),
                .secrets("secrets", \.secrets),
            ]
        }

        /// CSI: NodeExpandVolumeResponse.
        package struct Response: Message {
            /// The size now.
            package var capacityBytes: Int64 = 0

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeExpandVolumeResponse.
            package static let fields: [Field<Self>] = [
                .int64("capacityBytes", \.capacityBytes)
            ]
        }
    }
}
