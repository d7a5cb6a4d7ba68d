import Synchronization

/// Who works on which volume of a node, and what is waited for before it is looked at again.
///
/// One at a time works on a volume; one that cannot be had is tried again after a while, which doubles.
final class DeliveryTurns: Sendable {
    /// A PersistentVolume in one of the forms.
    struct Key: Hashable, Sendable {
        let name: String
        let isDirectory: Bool
    }

    /// What is waited for.
    enum Rest: Hashable, Sendable {
        /// A volume that cannot be had is tried again.
        case provision(String)
        /// A volume that is in use is looked at again.
        case release(Key)
        /// A claim has no volume yet.
        case claims
    }

    private let mostWait: Duration
    private let wake: @Sendable () -> Void
    /// Volumes that are worked on, and whether there was something else to do with them meanwhile.
    private let busy = Mutex<[String: Bool]>([:])
    /// How long to wait before a volume that cannot be had is tried again.
    private let waits = Mutex<[String: Duration]>([:])
    /// What is waited for now; each by one, however often it is asked for.
    private let resting = Mutex<Set<Rest>>([])

    /// kubelet's own first wait.
    private static let firstWait = Duration.milliseconds(500)

    /// Begins with nothing under way.
    ///
    /// - Parameters:
    ///   - mostWait: The longest wait between two tries.
    ///   - wake: Has everything looked at again.
    init(mostWait: Duration, wake: @escaping @Sendable () -> Void) {
        self.mostWait = mostWait
        self.wake = wake
    }

    /// Looks again after a while; nothing if somebody waits for the same.
    func wakeAfter(_ wait: Duration?, _ rest: Rest) async {
        guard let wait, resting.withLock({ $0.insert(rest).inserted }) else { return }
        try? await Task.sleep(for: wait)
        _ = resting.withLock { $0.remove(rest) }
        wake()
    }

    /// Whether a volume can be worked on now; one that could not be had has its wait first.
    func mayProvide(_ name: String) -> Bool {
        guard !resting.withLock({ $0.contains(.provision(name)) }) else { return false }
        return begin(name)
    }

    /// Whether a volume can be worked on now: one at a time does.
    func begin(_ name: String) -> Bool {
        busy.withLock { busy in
            guard busy[name] != nil else {
                busy[name] = false
                return true
            }
            busy[name] = true
            return false
        }
    }

    /// What was asked for meanwhile is looked at again.
    func end(_ name: String) {
        if busy.withLock({ $0.removeValue(forKey: name) }) ?? false { wake() }
    }

    /// A volume could not be had; returns how soon to try again.
    func fail(_ name: String) -> Duration {
        waits.withLock { waits in
            let wait = waits[name] ?? Self.firstWait
            waits[name] = min(wait * 2, mostWait)
            return wait
        }
    }

    /// A volume could be had: should it fail again, the waits begin anew.
    func succeed(_ name: String) { waits.withLock { $0[name] = nil } }

    /// Forgets how long to wait for volumes that nobody wants any more.
    func forgetWaits(but wanted: Set<String>) {
        waits.withLock { waits in waits = waits.filter { wanted.contains($0.key) } }
    }
}
