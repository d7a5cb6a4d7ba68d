extension CSI {
    /// CSI: Topology.
    package struct Topology: Message {
        /// Where: `zone` → `eu-1`.
        package var segments: [String: String] = [:]

        /// The message with every field at its default.
        package init() {}

        /// CSI: Topology.
        package static let fields: [Field<Self>] = [
            .map("segments", \.segments)
        ]
    }

    /// CSI: TopologyRequirement.
    package struct TopologyRequirement: Message {
        /// One of these, at least.
        package var requisite: [Topology] = []
        /// Best first.
        package var preferred: [Topology] = []

        /// The message with every field at its default.
        package init() {}

        /// CSI: TopologyRequirement.
        package static let fields: [Field<Self>] = [
            .messages("requisite", \.requisite),
            .messages("preferred", \.preferred),
        ]
    }
}
