extension CSI.Node {
    /// Which calls of the Node service are offered.
    package enum NodeGetCapabilities: NodeMethod {
        /// CSI: NodeGetCapabilitiesRequest.
        package typealias Request = EmptyMessage

        /// CSI: NodeGetCapabilitiesResponse.
        package struct Response: Message {
            /// The calls that are offered.
            package var capabilities: [Capability] = []

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeGetCapabilitiesResponse.
            package static let fields: [Field<Self>] = [
                .messages("capabilities", \.capabilities)
            ]
        }

        /// CSI: NodeServiceCapability.
        package struct Capability: Message {
            /// A call.
            package var rpc: RPC?

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeServiceCapability.
            package static let fields: [Field<Self>] = [
                .message("rpc", \.rpc)
            ]
        }

        /// CSI: NodeServiceCapability.RPC.
        package struct RPC: Message {
            /// Which.
            package var type: RPCType = .unknown

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeServiceCapability.RPC.
            package static let fields: [Field<Self>] = [
                .enumeration("type", \.type)
            ]
        }

        /// CSI: NodeServiceCapability.RPC.Type.
        package enum RPCType: String, WireEnum {
            case unknown = "UNKNOWN"
            case stageUnstageVolume = "STAGE_UNSTAGE_VOLUME"
            case getVolumeStats = "GET_VOLUME_STATS"
            case expandVolume = "EXPAND_VOLUME"
            case volumeCondition = "VOLUME_CONDITION"
            case singleNodeMultiWriter = "SINGLE_NODE_MULTI_WRITER"
            case volumeMountGroup = "VOLUME_MOUNT_GROUP"
        }
    }
}
