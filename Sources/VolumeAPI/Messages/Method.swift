/// One of CSI's calls: its path, its request and its response.
///
/// Each method is an enum without cases, with the call's name.
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
