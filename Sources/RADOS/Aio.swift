internal import CRados
internal import SystemPackage

/// Waits for one `rados_aio_*` call.
///
/// librados calls back from its own finisher thread; the callback resumes the task and does nothing else. `submit`
/// starts the call with the completion it is given. If it returns a negative errno, librados never calls back, and the
/// completion and its context are released here.
func awaitCompletion(
    _ submit: (rados_completion_t) -> CInt
) async -> CInt {
    await withCheckedContinuation { continuation in
        let waiter = Unmanaged.passRetained(CompletionWaiter(continuation))
        var completion: rados_completion_t?
        let created = rados_aio_create_completion2(waiter.toOpaque(), resumeWaiter, &completion)
        guard created >= 0, let completion else {
            waiter.release()
            continuation.resume(returning: created < 0 ? created : -ENOMEM)
            return
        }
        let submitted = submit(completion)
        if submitted < 0 {
            rados_aio_release(completion)
            waiter.release()
            continuation.resume(returning: submitted)
        }
    }
}

private final class CompletionWaiter: Sendable {
    let continuation: CheckedContinuation<CInt, Never>

    init(_ continuation: CheckedContinuation<CInt, Never>) {
        self.continuation = continuation
    }
}

@c
private func resumeWaiter(_ completion: rados_completion_t?, _ context: UnsafeMutableRawPointer?) {
    guard let completion, let context else { return }
    let waiter = Unmanaged<CompletionWaiter>.fromOpaque(context).takeRetainedValue()
    let result = rados_aio_get_return_value(completion)
    rados_aio_release(completion)
    waiter.continuation.resume(returning: result)
}

private let ENOMEM = Errno.noMemory.rawValue
