package import Secrets

extension CSI.Controller {
    /// Whether a volume can be used so.
    package enum ValidateVolumeCapabilities: ControllerMethod {
        /// CSI: ValidateVolumeCapabilitiesRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// What CreateVolume returned: the PV's volumeAttributes.
            package var volumeContext: [String: String] = [:]
            /// How it would be used.
            package var volumeCapabilities: [CSI.VolumeCapability] = []
            /// The StorageClass' parameters.
            package var parameters: [String: String] = [:]
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]
            /// The VolumeAttributesClass' parameters.
            package var mutableParameters: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: ValidateVolumeCapabilitiesRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .handle, required: true),
                .map("volumeContext", \.volumeContext),
                .messages("volumeCapabilities", \.volumeCapabilities, required: true),
                .map("parameters", \.parameters),
                .secrets("secrets", \.secrets),
                .map("mutableParameters", \.mutableParameters),
            ]
        }

        /// CSI: ValidateVolumeCapabilitiesResponse.
        package struct Response: Message {
            /// Set when the volume can be used so.
            package var confirmed: Confirmed?
            /// Why not, otherwise.
            package var message: String = ""

            /// The message with every field at its default.
            package init() {}

            /// CSI: ValidateVolumeCapabilitiesResponse.
            package static let fields: [Field<Self>] = [
                .message("confirmed", \.confirmed),
                .string("message", \.message, .opaque),
            ]
        }

        /// CSI: ValidateVolumeCapabilitiesResponse.Confirmed.
        package struct Confirmed: Message {
            /// What CreateVolume returned: the PV's volumeAttributes.
            package var volumeContext: [String: String] = [:]
            /// The ways to use it that were asked for.
            package var volumeCapabilities: [CSI.VolumeCapability] = []
            /// The StorageClass' parameters.
            package var parameters: [String: String] = [:]
            /// The VolumeAttributesClass' parameters.
            package var mutableParameters: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: ValidateVolumeCapabilitiesResponse.Confirmed.
            package static let fields: [Field<Self>] = [
                .map("volumeContext", \.volumeContext),
                .messages("volumeCapabilities", \.volumeCapabilities),
                .map("parameters", \.parameters),
                .map("mutableParameters", \.mutableParameters),
            ]
        }
    }
}
