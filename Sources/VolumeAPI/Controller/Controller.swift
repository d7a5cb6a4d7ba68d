extension CSI {
    /// The Controller service.
    package enum Controller {}
}

/// A call of the Controller service.
package protocol ControllerMethod: Method {}

extension ControllerMethod {
    /// The service's full name.
    package static var service: String { "csi.v1.Controller" }
}
