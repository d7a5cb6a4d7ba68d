/// How far a claim is to be grown, as external-resizer decides it.
///
/// | volume against request | status | target |
/// | --- | --- | --- |
/// | smaller | NodeResizeInfeasible | allocated |
/// | smaller | NodeResizePending, NodeResizeInProgress | allocated, unless the volume has it: then it is the node's turn |
/// | smaller | ControllerResizeInProgress | the request after a final error, else allocated |
/// | smaller | ControllerResizeInfeasible, none | the request |
/// | as large | NodeResizePending, NodeResizeInProgress | none: it is the node's turn |
/// | as large | NodeResizeInfeasible, Controller… | allocated |
/// | as large | none | allocated, or what the volume has |
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
