extension CSI {
    /// The Node service.
    package enum Node {}
}

/// A call of the Node service.
package protocol NodeMethod: Method {}

extension NodeMethod {
    /// The service's full name.
    package static var service: String { "csi.v1.Node" }
}
