import Logging
import ServiceLifecycle
import Volumes

/// The node service and all below it, wired.
struct NodeStack: Sendable {
    let service: any NodeService
    let background: [any Service]

    /// Nothing when this process is not told which node it is on.
    init?(_ options: ServeOptions, _ stack: ControllerStack, observer: StepObserver?, logger: Logger) throws {
        return nil
    }
}
