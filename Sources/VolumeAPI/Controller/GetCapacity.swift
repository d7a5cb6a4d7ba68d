extension CSI.Controller {
    /// Room left for volumes.
    package enum GetCapacity: ControllerMethod {
        /// CSI: GetCapacityRequest.
        package struct Request: Message {
            /// How a volume would be used.
            package var volumeCapabilities: [CSI.VolumeCapability] = []
            /// The StorageClass' parameters.
            package var parameters: [String: String] = [:]
            /// From where.
            package var accessibleTopology: CSI.Topology?

            /// The message with every field at its default.
            package init() {}

            /// CSI: GetCapacityRequest.
            package static let fields: [Field<Self>] = [
                .messages("volumeCapabilities", \.volumeCapabilities),
                .map("parameters", \.parameters),
                .message("accessibleTopology", \.accessibleTopology),
            ]
        }

        /// CSI: GetCapacityResponse.
        package struct Response: Message {
            /// Bytes left for volumes.
            package var availableCapacity: Int64 = 0
            /// The largest volume, in bytes.
            package var maximumVolumeSize: Int64?
            /// The smallest volume, in bytes.
            package var minimumVolumeSize: Int64?

            /// The message with every field at its default.
            package init() {}

            /// CSI: GetCapacityResponse.
            package static let fields: [Field<Self>] = [
                .int64("availableCapacity", \.availableCapacity),
                .int64Value("maximumVolumeSize", \.maximumVolumeSize),
                .int64Value("minimumVolumeSize", \.minimumVolumeSize),
            ]
        }
    }
}
