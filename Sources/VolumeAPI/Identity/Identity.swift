extension CSI {
    /// The Identity service.
    package enum Identity {}
}

/// A call of the Identity service.
package protocol IdentityMethod: Method {}

extension IdentityMethod {
    /// The service's full name.
    package static var service: String { "csi.v1.Identity" }
}
