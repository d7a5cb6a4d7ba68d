import ExactText
import Volumes

/// A volume that this command line mapped or mounted on this machine.
struct LocalUse: Codable, Sendable, Equatable {
    /// How it is used.
    enum Kind: String, Codable, Sendable {
        case device
        case mount

        /// The command that ends it.
        var opposite: String {
            switch self {
            case .device: "nacre volume unmap"
            case .mount: "nacre volume unmount"
            }
        }
    }

    let volumeID: String
    let kind: Kind
    /// Where the device or the file system is.
    var path: String
    /// What the person called the volume.
    var name: String?

    /// The volume's name, or its handle if none is recorded.
    var title: String { name ?? volumeID }

    /// Whether it is the same use, independent of the volume's name.
    func isSame(as other: LocalUse) -> Bool {
        volumeID.isExactly(other.volumeID) && kind == other.kind && path.isExactly(other.path)
    }
}
