internal import SystemPackage

/// Carries a closure through librbd, which calls `reportProgress` with it.
final class ProgressListener: Sendable {
    private let report: @Sendable (UInt64, UInt64) -> Bool

    /// - Parameter report: Takes what is done and the total; whether to go on.
    init(_ report: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Bool) {
        self.report = report
    }

    func take(_ done: UInt64, _ total: UInt64) -> CInt {
        report(done, total) ? 0 : -Errno.canceled.rawValue
    }
}

/// Lends librbd a closure for its progress until `body` ends.
func withProgress(
    _ report: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Bool,
    _ body: (UnsafeMutableRawPointer) -> CInt
) -> CInt {
    let listener = Unmanaged.passRetained(ProgressListener(report))
    defer { listener.release() }
    return body(listener.toOpaque())
}

@c(nacre_report_rbd_progress)
func reportProgress(_ done: UInt64, _ total: UInt64, _ context: UnsafeMutableRawPointer?) -> CInt {
    guard let context else { return 0 }
    return Unmanaged<ProgressListener>.fromOpaque(context).takeUnretainedValue().take(done, total)
}
