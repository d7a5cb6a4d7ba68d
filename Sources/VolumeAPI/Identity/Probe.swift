extension CSI.Identity {
    /// Whether the driver is well and ready.
    package enum Probe: IdentityMethod {
        /// CSI: ProbeRequest.
        package typealias Request = EmptyMessage

        /// CSI: ProbeResponse.
        package struct Response: Message {
            /// False while starting; nothing counts as true.
            package var ready: Bool?

            /// The message with every field at its default.
            package init() {}

            /// CSI: ProbeResponse.
            package static let fields: [Field<Self>] = [
                .boolValue("ready", \.ready)
            ]
        }
    }
}
