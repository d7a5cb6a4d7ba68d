/// One of CSI's calls: where it goes, what it takes, what it gives.
///
/// A method is an enum without cases of the call's own name.
package protocol Method: Sendable {
    /// What it takes.
    associatedtype Request: Message
    /// What it gives.
    associatedtype Response: Message

    /// The service it belongs to: `csi.v1.Controller`.
    static var service: String { get }
}

extension Method {
    /// The call's name: `CreateVolume`.
    package static var name: String { String(describing: Self.self) }

    /// Where the call goes: `/csi.v1.Controller/CreateVolume`.
    package static var path: String { "/\(service)/\(name)" }
}
