public import Glibc

/// Starts a thread for `body`, for work that must not wait for a pool: serving I/O, a write that may hang.
///
/// See: pthread_create(3). Where no thread can be had, `body` runs on the caller's.
///
/// - Parameters:
///   - isJoined: Whether the caller will join it; otherwise it is detached.
///   - body: What it does.
/// - Returns: The thread; `nil` if it could not be created.
@discardableResult
public func startThread(isJoined: Bool = false, _ body: @escaping @Sendable () -> Void) -> pthread_t? {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Body(body)).toOpaque()
    let status = pthread_create(
        &thread,
        nil,
        { context in
            guard let context else { return nil }
            Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
            return nil
        },
        context
    )
    guard status == 0 else {
        Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
        return nil
    }
    if !isJoined { pthread_detach(thread) }
    return thread
}
