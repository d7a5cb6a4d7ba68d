extension CSI.Identity {
    /// Who answers.
    package enum GetPluginInfo: IdentityMethod {
        /// CSI: GetPluginInfoRequest.
        package typealias Request = EmptyMessage

        /// CSI: GetPluginInfoResponse.
        package struct Response: Message {
            /// The driver: `rbd.nacre.io`.
            package var name: String = ""
            /// Its version.
            package var vendorVersion: String = ""
            /// More about it.
            package var manifest: [String: String] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: GetPluginInfoResponse.
            package static let fields: [Field<Self>] = [
                .string("name", \.name, .opaque),
                .string("vendorVersion", \.vendorVersion, .opaque),
                .map("manifest", \.manifest),
            ]
        }
    }
}
