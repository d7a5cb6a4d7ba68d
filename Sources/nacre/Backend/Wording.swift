import Synchronization
import Volumes

/// The names that a person typed for volumes, for use in messages.
final class Wording: Sendable {
    private let names = Mutex<[String: String]>([:])

    /// Takes note of what a volume is called.
    func call(_ id: VolumeID, _ name: String) {
        names.withLock { $0["\(id)"] = name }
    }

    /// A volume's name for messages; its handle if no name was typed.
    func name(of id: VolumeID) -> String {
        names.withLock { $0["\(id)"] ?? "\(id)" }
    }

    /// The text with names in place of handles.
    func applied(to text: String) -> String {
        names.withLock { names in
            names.reduce(text) { $0.replacing("'\($1.key)'", with: "'\($1.value)'") }
        }
    }
}
