extension CSI.Controller {
    /// Which calls of the Controller service are offered.
    package enum ControllerGetCapabilities: ControllerMethod {
        /// CSI: ControllerGetCapabilitiesRequest.
        package typealias Request = EmptyMessage

        /// CSI: ControllerGetCapabilitiesResponse.
        package struct Response: Message {
            /// The calls that are offered.
            package var capabilities: [Capability] = []

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerGetCapabilitiesResponse.
            package static let fields: [Field<Self>] = [
                .messages("capabilities", \.capabilities)
            ]
        }

        /// CSI: ControllerServiceCapability.
        package struct Capability: Message {
            /// A call.
            package var rpc: RPC?

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerServiceCapability.
            package static let fields: [Field<Self>] = [
                .message("rpc", \.rpc)
            ]
        }

        /// CSI: ControllerServiceCapability.RPC.
        package struct RPC: Message {
            /// Which.
            package var type: RPCType = .unknown

            /// The message with every field at its default.
            package init() {}

            /// CSI: ControllerServiceCapability.RPC.
            package static let fields: [Field<Self>] = [
                .enumeration("type", \.type)
            ]
        }

        /// CSI: ControllerServiceCapability.RPC.Type.
        package enum RPCType: String, WireEnum {
            case unknown = "UNKNOWN"
            case createDeleteVolume = "CREATE_DELETE_VOLUME"
            case publishUnpublishVolume = "PUBLISH_UNPUBLISH_VOLUME"
            case listVolumes = "LIST_VOLUMES"
            case getCapacity = "GET_CAPACITY"
            case createDeleteSnapshot = "CREATE_DELETE_SNAPSHOT"
            case listSnapshots = "LIST_SNAPSHOTS"
            case cloneVolume = "CLONE_VOLUME"
            case publishReadonly = "PUBLISH_READONLY"
            case expandVolume = "EXPAND_VOLUME"
            case listVolumesPublishedNodes = "LIST_VOLUMES_PUBLISHED_NODES"
            case volumeCondition = "VOLUME_CONDITION"
            case getVolume = "GET_VOLUME"
            case singleNodeMultiWriter = "SINGLE_NODE_MULTI_WRITER"
            case modifyVolume = "MODIFY_VOLUME"
            case getSnapshot = "GET_SNAPSHOT"
        }
    }
}
