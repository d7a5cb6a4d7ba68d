import ExactText
import JSON
import OrderedCollections
import Secrets
import Volumes

/// What kubelet is told of a call: its status, and for a person why not.
enum FlexAnswer: Sendable, Equatable {
    case success
    case failure(String)

    /// A failure's message as it stands in a pod's events.
    init(_ error: VolumeError) {
        self = .failure(error.message)
    }

    /// As the driver's program takes it: an exit status, then the object that kubelet reads.
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
