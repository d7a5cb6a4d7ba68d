package import Secrets

extension CSI.Controller {
    /// Creates a volume, or finds the one that an earlier call with that name created.
    package enum CreateVolume: ControllerMethod {
        /// CSI: CreateVolumeRequest.
        package struct Request: Message {
            /// The caller's name for the volume; repeated calls with it mean the same volume.
            package var name: String = ""
            /// The sizes wanted.
            package var capacityRange: CSI.CapacityRange?
            /// How it will be used.
            package var volumeCapabilities: [CSI.VolumeCapability] = []
            /// The StorageClass' parameters.
            package var parameters: [String: String] = [:]
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]
            /// What to make it from.
            package var volumeContentSource: CSI.VolumeContentSource?
            /// From where it must be reachable.
            package var accessibilityRequirements: CSI.TopologyRequirement?
            /// The VolumeAttributesClass' parameters.
            package var mutableParameters: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: CreateVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("name", \.name, required: true),
                .message("capacityRange", \.capacityRange),
                .messages("volumeCapabilities", \.volumeCapabilities, required: true),
                .map("parameters", \.parameters),
                .secrets("secrets", \.secrets),
                .message("volumeContentSource", \.volumeContentSource),
                .message("accessibilityRequirements", \.accessibilityRequirements),
                .map("mutableParameters", \.mutableParameters),
            ]
        }

        /// CSI: CreateVolumeResponse.
        package struct Response: Message {
            /// The volume.
            package var volume: CSI.Volume?

            /// The message with every field at its default.
            package init() {}

            /// CSI: CreateVolumeResponse.
            package static let fields: [Field<Self>] = [
                .message("volume", \.volume)
            ]
        }
    }
}
