internal import JSON
internal import Synchronization

/// Which of several processes acts: the one that holds a Lease.
///
/// Wall clocks are never compared: another's lease has run out when we have seen it unchanged for as long as it says, by our
/// own clock. We ourselves may write until `leaseDuration` after we *sent* our last renewal, less a margin, so a process
/// that was frozen finds its permit gone when it thaws.
///
/// See: client-go `leaderelection`.
package final class LeaderElection: Sendable {
    /// The times that matter.
    package struct Timing: Sendable {
        /// How long others wait for a holder that says nothing.
        package var leaseDuration: Duration
        /// How long a holder that cannot renew goes on trying.
        package var renewDeadline: Duration
        /// The time between two tries.
        package var retryPeriod: Duration

        /// The sidecars' times unless said otherwise.
        package init(
            leaseDuration: Duration = .seconds(15),
            renewDeadline: Duration = .seconds(10),
            retryPeriod: Duration = .seconds(3)
        ) {
            self.leaseDuration = leaseDuration
            self.renewDeadline = renewDeadline
            self.retryPeriod = retryPeriod
        }
    }

    private struct Observed: Equatable {
        var spec: JSONValue?
        var resourceVersion: String
    }

    private struct State {
        var observed: Observed?
        var observedAt = ContinuousClock.now
        var holder = ""
        /// When the last renewal that succeeded was sent.
        var renewedAt: ContinuousClock.Instant?
    }

    private let client: KubernetesClient
    private let namespace: String
    private let name: String
    private let identity: String
    private let timing: Timing
    private let state = Mutex(State())

    /// Makes an election that nobody takes part in yet.
    ///
    /// - Parameters:
    ///   - client: One of its own, so that no other request holds a renewal up.
    ///   - namespace: The Lease's namespace.
    ///   - name: The Lease's name.
    ///   - identity: Ours; no other process may have it.
    ///   - timing: The times.
    package init(
        _ client: KubernetesClient,
        namespace: String,
        name: String,
        identity: String,
        timing: Timing = Timing()
    ) {
        self.client = client
        self.namespace = namespace
        self.name = name
        self.identity = identity
        self.timing = timing
    }

    /// A Lease's name for a driver: what is no letter, digit or hyphen becomes a hyphen.
    package static func leaseName(for driver: String) -> String {
        String(driver.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
    }

    /// Who holds the lease, as far as we know; empty for nobody.
    package var holder: String { state.withLock { $0.holder } }

    /// Until when we may write; nothing when we do not lead.
    package var leadsUntil: ContinuousClock.Instant? {
        state.withLock { state in
            state.renewedAt.map { $0 + timing.leaseDuration - .seconds(1) }
        }
    }

    /// Whether we may write now.
    package var leads: Bool { leadsUntil.map { .now < $0 } ?? false }

    /// Tries until we hold the lease.
    ///
    /// - Parameters:
    ///   - note: Called in each round.
    ///   - onFailure: Told of what went wrong.
    /// - Throws: `CancellationError`.
    package func acquire(
        inEachRound note: @Sendable () -> Void = {},
        onFailure: @Sendable (KubernetesError) -> Void
    ) async throws {
        while true {
            note()
            do throws(KubernetesError) {
                if try await tryOnce() { return }
            } catch {
                if case .canceled = error { throw CancellationError() }
                onFailure(error)
            }
            try await Task.sleep(for: timing.retryPeriod * Double.random(in: 1...1.2))
        }
    }

    /// Renews until it cannot be done for the renew deadline, another holds the lease, or the task is cancelled.
    ///
    /// - Parameters:
    ///   - note: Called in each round.
    ///   - onFailure: Told of what went wrong.
    package func renew(
        inEachRound note: @Sendable () -> Void = {},
        onFailure: @Sendable (KubernetesError) -> Void
    ) async {
        while !Task.isCancelled {
            note()
            try? await Task.sleep(for: timing.retryPeriod)
            do throws(KubernetesError) {
                guard try await tryOnce() else { return resign() }
            } catch {
                onFailure(error)
            }
            let last = state.withLock { $0.renewedAt } ?? .now - timing.renewDeadline
            guard .now - last < timing.renewDeadline else { return resign() }
        }
    }

    /// Gives the lease back, so that the next one need not wait.
    package func release() async {
        let (isOurs, observed) = state.withLock { ($0.renewedAt != nil, $0.observed) }
        resign()
        guard isOurs, let observed, let spec = observed.spec else { return }
        let free = spec.with("holderIdentity", "").with("leaseDurationSeconds", 1)
            .with("renewTime", .string(KubernetesTime.microseconds()))
        var call = APICall.replace(path, lease(free, observed.resourceVersion))
        // Who ends has little time; without an answer the lease ends by itself.
        call.timeout = Self.releaseTime
        _ = try? await client.call(call)
    }

    private static let releaseTime = Duration.seconds(3)

    private var path: String { APIPath.leases(namespace, name) }

    private func resign() { state.withLock { $0.renewedAt = nil } }

    /// One try to get or keep it; whether we hold it then.
    private func tryOnce() async throws(KubernetesError) -> Bool {
        let sentAt = ContinuousClock.now
        let (observed, isOurs) = state.withLock { ($0.observed, $0.renewedAt != nil && $0.holder == identity) }
        if isOurs, let observed, let spec = observed.spec {
            do throws(KubernetesError) {
                return try await put(renewed(spec, isNew: false), observed.resourceVersion, sentAt)
            } catch {
                // Changed by someone: look.
                guard error.status?.isConflict ?? false else { throw error }
            }
        }
        let current: JSONValue
        do throws(KubernetesError) {
            current = try await client.call(get)
        } catch {
            guard error.status?.isNotFound ?? false else { throw error }
            return try await create(sentAt)
        }
        let version = current["metadata", "resourceVersion"]?.string ?? ""
        let spec = current["spec"]
        let holder = spec?["holderIdentity"]?.string ?? ""
        let seen = Observed(spec: spec, resourceVersion: version)
        let observedAt = state.withLock { state in
            if state.observed != seen {
                state.observed = seen
                state.observedAt = .now
            }
            state.holder = holder
            return state.observedAt
        }
        let lasts = Duration.seconds(spec?["leaseDurationSeconds"]?.int64 ?? 0)
        guard holder.isEmpty || holder == identity || observedAt + lasts <= .now else {
            resign()
            return false
        }
        // Our own name on a lease that we do not know of having: a namesake, or we before a restart. Take it anew.
        return try await put(renewed(spec ?? [:], isNew: holder != identity), version, ContinuousClock.now)
    }

    private var get: APICall {
        var call = APICall.get(path)
        call.timeout = timing.renewDeadline / 2
        return call
    }

    private func create(_ sentAt: ContinuousClock.Instant) async throws(KubernetesError) -> Bool {
        var call = APICall.create(APIPath.leases(namespace), lease(renewed([:], isNew: true, transitions: 0), nil))
        call.timeout = timing.renewDeadline / 2
        do throws(KubernetesError) {
            return took(try await client.call(call), sentAt)
        } catch {
            if error.status?.isAlreadyExists ?? false { return false }
            throw error
        }
    }

    private func put(
        _ spec: JSONValue,
        _ version: String,
        _ sentAt: ContinuousClock.Instant
    ) async throws(KubernetesError) -> Bool {
        var call = APICall.replace(path, lease(spec, version))
        call.timeout = timing.renewDeadline / 2
        return took(try await client.call(call), sentAt)
    }

    private func took(_ lease: JSONValue, _ sentAt: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            state.observed = Observed(
                spec: lease["spec"],
                resourceVersion: lease["metadata", "resourceVersion"]?.string ?? ""
            )
            state.observedAt = .now
            state.holder = identity
            state.renewedAt = sentAt
        }
        return true
    }

    private func renewed(_ spec: JSONValue, isNew: Bool, transitions: Int64? = nil) -> JSONValue {
        let now = JSONValue.string(KubernetesTime.microseconds())
        var renewed =
            spec
            .with("holderIdentity", .string(identity))
            .with("leaseDurationSeconds", .number(JSONNumber(timing.leaseDuration.components.seconds)))
            .with("renewTime", now)
        if isNew {
            let count = transitions ?? (spec["leaseTransitions"]?.int64 ?? 0) + 1
            renewed = renewed.with("acquireTime", now).with("leaseTransitions", .number(JSONNumber(count)))
        }
        return renewed
    }

    private func lease(_ spec: JSONValue, _ version: String?) -> JSONValue {
        let metadata: JSONValue = ["namespace": .string(namespace), "name": .string(name)]
        return [
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": metadata.with("resourceVersion", version.map { .string($0) }), "spec": spec,
        ]
    }
}
