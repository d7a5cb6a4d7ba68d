extension CSI.Node {
    /// Who this node is.
    package enum NodeGetInfo: NodeMethod {
        /// CSI: NodeGetInfoRequest.
        package typealias Request = EmptyMessage

        /// CSI: NodeGetInfoResponse.
        package struct Response: Message {
            /// The node's name.
            package var nodeID: String = ""
            /// 0 for no limit of ours.
            package var maxVolumesPerNode: Int64 = 0
            /// Where the node is.
            package var accessibleTopology: CSI.Topology?

            /// The message with every field at its default.
            package init() {}

            /// CSI: NodeGetInfoResponse.
            package static let fields: [Field<Self>] = [
                .string("nodeId", \.nodeID, .opaque),
                .int64("maxVolumesPerNode", \.maxVolumesPerNode),
                .message("accessibleTopology", \.accessibleTopology),
            ]
        }
    }
}
