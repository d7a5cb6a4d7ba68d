extension CSI.Identity {
    /// What the driver offers in all.
    package enum GetPluginCapabilities: IdentityMethod {
        /// CSI: GetPluginCapabilitiesRequest.
        package typealias Request = EmptyMessage

        /// CSI: GetPluginCapabilitiesResponse.
        package struct Response: Message {
            /// What it offers.
            package var capabilities: [Capability] = []

            /// The message with every field at its default.
            package init() {}

            /// CSI: GetPluginCapabilitiesResponse.
            package static let fields: [Field<Self>] = [
                .messages("capabilities", \.capabilities)
            ]
        }

        /// CSI: PluginCapability.
        package struct Capability: Message {
            /// A service; excludes `volumeExpansion`.
            package var service: Service?
            /// A way to grow volumes; excludes `service`.
            package var volumeExpansion: VolumeExpansion?

            /// The message with every field at its default.
            package init() {}

            /// CSI: PluginCapability.
            package static let fields: [Field<Self>] = [
                .message("service", \.service, oneof: "type"),
                .message("volumeExpansion", \.volumeExpansion, oneof: "type"),
            ]
        }

        /// CSI: PluginCapability.Service.
        package struct Service: Message {
            /// Which.
            package var type: ServiceType = .unknown

            /// The message with every field at its default.
            package init() {}

            /// CSI: PluginCapability.Service.
            package static let fields: [Field<Self>] = [
                .enumeration("type", \.type)
            ]
        }

        /// CSI: PluginCapability.Service.Type.
        package enum ServiceType: String, WireEnum {
            case unknown = "UNKNOWN"
            case controllerService = "CONTROLLER_SERVICE"
            case volumeAccessibilityConstraints = "VOLUME_ACCESSIBILITY_CONSTRAINTS"
            case groupControllerService = "GROUP_CONTROLLER_SERVICE"
            case snapshotMetadataService = "SNAPSHOT_METADATA_SERVICE"
        }

        /// CSI: PluginCapability.VolumeExpansion.
        package struct VolumeExpansion: Message {
            /// Which.
            package var type: ExpansionType = .unknown

            /// The message with every field at its default.
            package init() {}

            /// CSI: PluginCapability.VolumeExpansion.
            package static let fields: [Field<Self>] = [
                .enumeration("type", \.type)
            ]
        }

        /// CSI: PluginCapability.VolumeExpansion.Type.
        package enum ExpansionType: String, WireEnum {
            case unknown = "UNKNOWN"
            case online = "ONLINE"
            case offline = "OFFLINE"
        }
    }
}
