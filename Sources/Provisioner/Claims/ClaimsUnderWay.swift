internal import KubernetesAPI
internal import Secrets
internal import Synchronization

/// What a controller remembers of claims that have no volume yet, by their uids.
///
/// A restart forgets it: what it was good for is found again in the API server and on Ceph.
final class ClaimsUnderWay: Sendable {
    /// A claim under way, remembered until it has its volume or everything is removed again.
    struct Attempt: Sendable {
        var claim: PersistentVolumeClaim
        var storageClass: StorageClass
        var failures = 0
        /// The Ceph user of the image's create; `nil` before it began.
        var begunWith: Credentials?
        /// Tries to take it back.
        var undoTries = 0
    }

    /// A claim that cannot be served as it is.
    private struct Infeasible: Sendable {
        var classUID: String
        var until: ContinuousClock.Instant
    }

    private struct State {
        var attempts: [String: Attempt] = [:]
        var infeasible: [String: Infeasible] = [:]
        /// Bound by us; the cache may not know it yet.
        var settled: [String: ContinuousClock.Instant] = [:]
        /// Claims of full pools, and until when the scheduler's next choice must wait.
        var crowded: [String: ContinuousClock.Instant] = [:]
    }

    private let state = Mutex(State())

    /// How long to wait for the watch to show a write before reading the object again.
    private static let settleTime = Duration.seconds(30)

    func attempt(for claim: PersistentVolumeClaim) -> Attempt? {
        state.withLock { $0.attempts[claim.metadata.uid] }
    }

    /// Those of earlier claims that had the key which `claim` has now, or nobody.
    func orphans(of key: String, now claim: PersistentVolumeClaim?) -> [Attempt] {
        state.withLock { state in
            state.attempts.values.filter {
                $0.claim.metadata.key == key && $0.claim.metadata.uid != claim?.metadata.uid
            }
        }
    }

    /// Notes that a try begins; returns how many have failed.
    func begin(_ claim: PersistentVolumeClaim, _ storageClass: StorageClass) -> Int {
        state.withLock { state in
            let attempt = state.attempts[claim.metadata.uid]
            state.attempts[claim.metadata.uid, default: Attempt(claim: claim, storageClass: storageClass)].claim = claim
            return attempt?.failures ?? 0
        }
    }

    /// Notes as whom the image is made.
    func note(_ credentials: Credentials, of claim: PersistentVolumeClaim) {
        state.withLock { $0.attempts[claim.metadata.uid]?.begunWith = credentials }
    }

    /// Notes that it has its volume.
    func finish(_ claim: PersistentVolumeClaim) {
        state.withLock { state in
            state.attempts[claim.metadata.uid] = nil
            state.infeasible[claim.metadata.uid] = nil
            state.settled[claim.metadata.uid] = .now
            if state.settled.count > 10_000 {
                state.settled = state.settled.filter { .now - $0.value < Self.settleTime }
            }
        }
    }

    /// Whether it was bound by us, which the cache may not show yet.
    func isSettled(_ claim: PersistentVolumeClaim) -> Bool {
        state.withLock { state in
            guard let at = state.settled[claim.metadata.uid] else { return false }
            if !claim.volumeName.isEmpty || .now - at > Self.settleTime {
                state.settled[claim.metadata.uid] = nil
                return !claim.volumeName.isEmpty
            }
            return true
        }
    }

    /// Notes that a try failed.
    ///
    /// - Parameters:
    ///   - claim: The claim.
    ///   - isCrowded: Whether there was no room.
    ///   - infeasibleFor: The class with which it cannot be served as it is, and for how long nobody need try.
    func fail(_ claim: PersistentVolumeClaim, isCrowded: Bool, infeasibleFor: (StorageClass, Duration)?) {
        let uid = claim.metadata.uid
        state.withLock { state in
            state.attempts[uid]?.failures += 1
            if isCrowded {
                // A new choice of a node is an event of the claim, which would start a try at once.
                let failures = min(5, state.attempts[uid]?.failures ?? 0)
                state.crowded[uid] = .now + .seconds(1 << failures)
            }
            guard let (storageClass, pause) = infeasibleFor else { return }
            state.infeasible[uid] = Infeasible(classUID: storageClass.metadata.uid, until: .now + pause)
            // Unless something was made for it before.
            if state.attempts[uid]?.begunWith == nil { state.attempts[uid] = nil }
        }
    }

    /// How long it is not tried; `nil` if it may be tried now.
    func wait(of claim: PersistentVolumeClaim, _ storageClass: StorageClass) -> Duration? {
        state.withLock { state in
            if let until = state.crowded[claim.metadata.uid], until > .now { return until - .now }
            guard let known = state.infeasible[claim.metadata.uid], known.classUID == storageClass.metadata.uid,
                known.until > .now
            else { return nil }
            return known.until - .now
        }
    }

    /// Notes that it could not be taken back; returns how often by now.
    func failToUndo(_ attempt: Attempt) -> Int {
        let uid = attempt.claim.metadata.uid
        return state.withLock { state in
            state.attempts[uid, default: attempt].undoTries += 1
            return state.attempts[uid]?.undoTries ?? 0
        }
    }

    /// Forgets a try of which nothing is left to be removed.
    func end(_ attempt: Attempt) { state.withLock { $0.attempts[attempt.claim.metadata.uid] = nil } }

    /// Forgets a deleted claim, but not what was made for it.
    func forget(_ claim: PersistentVolumeClaim) {
        state.withLock { state in
            state.infeasible[claim.metadata.uid] = nil
            state.settled[claim.metadata.uid] = nil
            state.crowded[claim.metadata.uid] = nil
        }
    }
}
