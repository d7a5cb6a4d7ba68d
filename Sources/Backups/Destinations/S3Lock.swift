internal import Synchronization
internal import Volumes

/// A lock in a bucket: an object that its owner writes again every few seconds.
///
/// Clocks are not compared. Whoever wants it watches the object for longer than its owner may be silent; if it stays the
/// same, the owner is gone, and it is replaced if it is still that version.
final class S3Lock: DestinationLock {
    /// How often its owner writes it.
    private static let beat = Duration.seconds(8)
    /// After so long without a write, its owner does not trust it any more.
    private static let trust = Duration.seconds(30)
    /// After so long without a change, others take it.
    private static let patience = Duration.seconds(50)
    /// How often others look.
    private static let look = Duration.seconds(4)
    /// So often it is tried while it comes and goes.
    private static let tries = 10

    private struct State {
        var version: String
        /// When the last write that succeeded was begun, by a clock that goes on while the machine sleeps.
        var written: ContinuousClock.Instant
        var isLost = false
        var beats = 0
        var heart: Task<Void, Never>?
    }

    private let destination: S3Destination
    private let key: String
    private let owner: String
    private let state: Mutex<State>

    private init(_ destination: S3Destination, _ key: String, _ owner: String, _ state: consuming State) {
        self.destination = destination
        self.key = key
        self.owner = owner
        self.state = Mutex(state)
    }

    static func take(
        _ key: String,
        of destination: S3Destination,
        for owner: String,
        waiting: @Sendable (String) -> Void
    ) async throws(VolumeError) -> S3Lock {
        // Tells this owner from one of the same words.
        let owner = "\(owner), \(String(UInt64.random(in: 0...UInt64.max), radix: 16))"
        var version: String?
        // So often it was there for a write, and gone for a look.
        var misses = 0
        while true {
            let begun = ContinuousClock.now
            let bytes = Array("\(owner)\n".utf8)
            if let new = try await destination.replace(bytes, as: key, ifVersion: version, within: trust) {
                try await requireConditions(bytes, key, destination)
                return begin(destination, key, owner, new, begun)
            }
            guard let other = try await destination.object(key) else {
                version = nil
                misses += 1
                guard misses < tries, (try? await Task.sleep(for: .seconds(1))) != nil else {
                    throw .busy(destination.name, nil)
                }
                continue
            }
            // The answer to a write that was repeated is about the first one.
            if other.bytes == bytes { return begin(destination, key, owner, other.version, begun) }
            let words = String(decoding: other.bytes, as: UTF8.self)
            waiting("waiting whether its owner is at work: \(words.printable)")
            let end = ContinuousClock.now + patience
            while .now < end {
                guard (try? await Task.sleep(for: look)) != nil else {
                    throw VolumeError(.canceled, "stopped while waiting for '\(key)'")
                }
                let now = try await destination.object(key)
                guard let now else { break }
                guard now.version == other.version else { throw .busy(destination.name, words) }
            }
            version = try await destination.object(key) == nil ? nil : other.version
        }
    }

    /// Throws for a server that heeds no conditions: there, everyone has the lock.
    private static func requireConditions(
        _ bytes: [UInt8],
        _ key: String,
        _ destination: S3Destination
    ) async throws(VolumeError) {
        let noVersion = "\"\(String(repeating: "0", count: 32))\""
        let conditions: [(header: String, version: String?)] = [("If-None-Match", nil), ("If-Match", noVersion)]
        for (header, version) in conditions {
            let taken = try await destination.replace(bytes, as: key, ifVersion: version, within: beat)
            guard taken != nil else { continue }
            throw VolumeError(
                .unimplemented,
                "cannot lock '\(key)' of '\(destination.name)': the server writes an object although \(header) forbids it, so two "
                    + "processes would have the lock; use another server"
            )
        }
    }

    private static func begin(
        _ destination: S3Destination,
        _ key: String,
        _ owner: String,
        _ version: String,
        _ begun: ContinuousClock.Instant
    ) -> S3Lock {
        let lock = S3Lock(destination, key, owner, State(version: version, written: begun))
        let heart = Task { [weak lock] in
            while !Task.isCancelled, (try? await Task.sleep(for: beat)) != nil {
                guard let lock, await lock.write() else { return }
            }
        }
        lock.state.withLock { $0.heart = heart }
        return lock
    }

    deinit {
        state.withLock { $0.heart?.cancel() }
    }

    /// Writes it once more; false if it is lost.
    private func write() async -> Bool {
        let begun = ContinuousClock.now
        let (version, beat) = state.withLock { state in
            state.beats += 1
            return (state.version, state.beats)
        }
        let bytes = Array("\(owner), \(beat)\n".utf8)
        var new: String?
        do throws(VolumeError) {
            new = try await destination.replace(bytes, as: key, ifVersion: version, within: Self.beat)
            if new == nil, let there = try await destination.object(key) {
                if there.bytes == bytes {
                    new = there.version
                } else if there.bytes.starts(with: "\(owner), ".utf8) {
                    // An earlier write came through after it was given up; the next one is of that version.
                    state.withLock { $0.version = there.version }
                    return true
                }
            }
        } catch {
            // The server was not reached: it may be the next time.
            return true
        }
        let written = new
        return state.withLock { state in
            guard let new = written else {
                state.isLost = true
                return false
            }
            state.version = new
            state.written = begun
            return true
        }
    }

    func check() async throws(VolumeError) {
        let isHeld = state.withLock { !$0.isLost && $0.written + Self.trust > .now }
        guard isHeld else {
            throw VolumeError(
                .aborted,
                "the lock at '\(destination.name)' was lost: it could not be written for "
                    + "\(Self.trust.components.seconds) s, or another nacre has taken it; repeat the command, which goes on from what is there"
            )
        }
    }

    func release() async {
        let heart = state.withLock { $0.heart.take() }
        heart?.cancel()
        await heart?.value
        // What was not written for that long may be another's by now.
        guard state.withLock({ !$0.isLost && $0.written + Self.trust > .now }) else { return }
        try? await destination.remove(key)
    }
}
