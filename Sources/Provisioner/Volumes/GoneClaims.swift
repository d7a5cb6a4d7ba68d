internal import Synchronization

/// The uids of claims that the watch has told to be gone: no uid comes back, so nobody needs to be asked about them again.
final class GoneClaims: Sendable {
    private struct State {
        var young: Set<String> = []
        var old: Set<String> = []
    }

    private static let mostYoung = 4096
    private let state = Mutex(State())

    /// A claim is gone.
    func insert(_ uid: String) {
        state.withLock { state in
            if state.young.count >= Self.mostYoung {
                state.old = state.young
                state.young = []
            }
            state.young.insert(uid)
        }
    }

    /// Whether a claim is known to be gone; of one that went long ago that is forgotten.
    func contains(_ uid: String) -> Bool {
        state.withLock { $0.young.contains(uid) || $0.old.contains(uid) }
    }
}
