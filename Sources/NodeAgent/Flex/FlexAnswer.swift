import ExactText
import JSON
import OrderedCollections
import Secrets
import Volumes

/// The answer to kubelet: a status, and a message for people.
enum FlexAnswer: Sendable, Equatable {
    case success
    case failure(String)

    /// A failure's message in the form for a pod's events.
    init(_ error: VolumeError) {
        self = .failure(error.message)
    }

    /// In the form for the driver program: an exit status, then the object for kubelet.
    var bytes: [UInt8] {
        switch self {
        case .success:
            [UInt8(ascii: "0")] + JSONValue.object(["status": .string("Success")]).bytes
        case .failure(let message):
            [UInt8(ascii: "1")]
                + JSONValue.object(["status": .string("Failure"), "message": .string(CephKey.masked(message))]).bytes
        }
    }
}
