internal import Glibc
internal import Synchronization

/// The wish to stop, as signals bring it.
enum Interruption {
    private static let flag = Atomic<Bool>(false)

    /// Whether it came.
    static var came: Bool { flag.load(ordering: .relaxed) }

    /// Waits for SIGINT, SIGHUP and SIGTERM.
    static func watch() {
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal(number) { _ in Interruption.flag.store(true, ordering: .relaxed) }
        }
    }
}
