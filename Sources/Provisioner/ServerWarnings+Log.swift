package import KubernetesAPI
package import Logging

extension ServerWarnings {
    /// Tells a log.
    package convenience init(_ logger: Logger) {
        self.init { warning, call in
            logger.warning("the API server warns", metadata: ["message": "\(warning)", "call": "\(call)"])
        }
    }
}
