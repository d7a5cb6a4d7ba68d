/// The target size of a claim, by external-resizer's rules.
///
/// | volume against request | status | target |
/// | --- | --- | --- |
/// | smaller | NodeResizeInfeasible | allocated |
/// | smaller | NodeResizePending, NodeResizeInProgress | allocated, unless the volume has that size: then the node must resize |
/// | smaller | ControllerResizeInProgress | the request after a final error, else allocated |
/// | smaller | ControllerResizeInfeasible, none | the request |
/// | as large | NodeResizePending, NodeResizeInProgress | none: the node must resize |
/// | as large | NodeResizeInfeasible, Controller… | allocated |
/// | as large | none | allocated, or the volume's size |
enum ResizeTarget {
    static func bytes(
        volume: Int64,
        request: Int64,
        allocated: Int64?,
        status: String?,
        failedForGood: Bool
    ) -> Int64? {
        let allocatedOrRequest = allocated ?? request
        if volume < request {
            switch status {
            case "NodeResizeInfeasible": return allocatedOrRequest
            case "NodeResizePending", "NodeResizeInProgress":
                return volume >= allocatedOrRequest ? nil : allocatedOrRequest
            case "ControllerResizeInProgress": return failedForGood ? request : allocatedOrRequest
            default: return request
            }
        }
        switch status {
        case "NodeResizePending", "NodeResizeInProgress": return nil
        case .some: return allocated ?? volume
        case .none: return allocated ?? volume
        }
    }
}
