package import Secrets

extension CSI.Controller {
    /// Deletes a volume; succeeds if it does not exist.
    package enum DeleteVolume: ControllerMethod {
        /// CSI: DeleteVolumeRequest.
        package struct Request: Message {
            /// The volume's handle.
            package var volumeID: String = ""
            /// Who the caller is to Ceph, and other secrets.
            package var secrets: [String: Secret] = [:]

            /// The message with every field at its default.
            package init() {}

            /// CSI: DeleteVolumeRequest.
            package static let fields: [Field<Self>] = [
                .string("volumeId", \.volumeID, .anyHandle, required: true),
                .secrets("secrets", \.secrets),
            ]
        }

        /// CSI: DeleteVolumeResponse.
        package typealias Response = EmptyMessage
    }
}
