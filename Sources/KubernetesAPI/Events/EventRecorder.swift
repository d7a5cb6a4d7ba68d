internal import JSON
internal import Secrets
internal import Synchronization

/// An object that events are about.
package struct ObjectReference: Sendable, Hashable {
    /// `v1`, or another group's: `snapshot.storage.k8s.io/v1`.
    package var apiVersion: String
    /// `PersistentVolumeClaim`.
    package var kind: String
    /// Empty for what has none.
    package var namespace: String
    /// The name.
    package var name: String
    /// The uid.
    package var uid: String
    /// The version that the event is about.
    package var resourceVersion: String

    /// Names an object, of core/v1 unless said otherwise.
    package init(kind: String, _ metadata: ObjectMeta, apiVersion: String = "v1") {
        self.apiVersion = apiVersion
        self.kind = kind
        namespace = metadata.namespace
        name = metadata.name
        uid = metadata.uid
        resourceVersion = metadata.resourceVersion
    }
}

/// Reports what happens to objects, as core/v1 Events.
///
/// It never delays work: events wait in a short queue and are dropped if it is full. Warnings are sent at once; normal
/// events are delayed if the server is slow. A repeated event increments the count of the first one. An object has a
/// budget of 25 events, which grows by one every five minutes.
package final class EventRecorder: Sendable {
    /// How an event is meant.
    package enum Kind: String, Sendable {
        /// All is well.
        case normal = "Normal"
        /// Somebody should look.
        case warning = "Warning"
    }

    private struct Key: Hashable {
        var uid: String
        var reason: String
        var message: String
    }

    private struct Known {
        var path: String
        var count: Int64
    }

    private struct Budget {
        var left = 25.0
        var at = ContinuousClock.now
    }

    private struct Event: Sendable {
        var object: ObjectReference
        var kind: Kind
        var reason: String
        var message: String
    }

    /// Events that wait.
    private struct Lane: Sendable {
        let queue: AsyncStream<Event>
        let entrance: AsyncStream<Event>.Continuation

        init() {
            // If the queue is full, the newest are dropped, because the first ones of a burst show the cause.
            (queue, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(4096))
        }
    }

    private struct State {
        var known: [Key: Known] = [:]
        var budgets: [String: Budget] = [:]
        var dropped = 0
        /// Those that were taken and are not sent yet.
        var waiting = 0

        /// Takes one event from an object's budget, if there is one left.
        mutating func allows(_ uid: String) -> Bool {
            if budgets.count > EventRecorder.mostKnown { budgets = [:] }
            var budget = budgets[uid] ?? Budget()
            let now = ContinuousClock.now
            budget.left = min(25, budget.left + (now - budget.at) / .seconds(300))
            budget.at = now
            defer { budgets[uid] = budget }
            guard budget.left >= 1 else { return false }
            budget.left -= 1
            return true
        }
    }

    private let client: KubernetesClient
    private let component: String
    private let instance: String
    private let urgent = Lane()
    private let patient = Lane()
    private let state = Mutex(State())

    /// How many events are remembered for counting; beyond that all are forgotten at once.
    private static let mostKnown = 2048
    private static let longestMessage = 1024
    private static let senders = 2
    /// A server that answers faster than this is not busy.
    private static let quickAnswer = Duration.milliseconds(8)
    /// After a slower answer, normal events pause for this many times its duration.
    private static let restFactor = 8
    private static let longestRest = Duration.seconds(2)

    /// Makes a recorder; it sends nothing before `run`.
    ///
    /// - Parameters:
    ///   - client: Whom to tell.
    ///   - component: The driver's name: the same after a restart, so that counting continues.
    ///   - instance: The pod's name.
    package init(_ client: KubernetesClient, component: String, instance: String) {
        self.client = client
        self.component = component
        self.instance = instance
    }

    /// Events that were not sent, and will not be.
    package var dropped: Int { state.withLock { $0.dropped } }

    /// Tells of something; returns at once.
    package func record(_ kind: Kind, _ reason: String, _ message: String, on object: ObjectReference) {
        guard state.withLock({ $0.allows(object.uid) }) else {
            return state.withLock { $0.dropped += 1 }
        }
        let event = Event(object: object, kind: kind, reason: reason, message: Self.shortened(CephKey.masked(message)))
        let lane = kind == .warning ? urgent : patient
        state.withLock { $0.waiting += 1 }
        if case .enqueued = lane.entrance.yield(event) { return }
        state.withLock { state in
            state.waiting -= 1
            state.dropped += 1
        }
    }

    /// Takes no more events; `run` returns when those that wait are sent.
    package func finish() {
        for lane in [urgent, patient] { lane.entrance.finish() }
    }

    /// Sends events until the task is cancelled, or ``finish()`` was called and all are sent.
    package func run() async {
        await withTaskGroup { group in
            // Several at once, so that a burst of failures is not sent one by one.
            for _ in 0..<Self.senders {
                group.addTask {
                    for await event in self.urgent.queue { await self.send(event) }
                }
                group.addTask {
                    for await event in self.patient.queue {
                        let start = ContinuousClock.now
                        await self.send(event)
                        let busy = ContinuousClock.now - start
                        guard busy > Self.quickAnswer else { continue }
                        try? await Task.sleep(for: min(Self.longestRest, busy * Self.restFactor))
                    }
                }
            }
        }
        state.withLock { state in
            state.dropped += state.waiting
            state.waiting = 0
        }
    }

    private func send(_ event: Event) async {
        defer { state.withLock { $0.waiting -= 1 } }
        var backoff = Backoff(first: .milliseconds(500), longest: .seconds(10))
        while backoff.count < 5, !Task.isCancelled {
            do throws(KubernetesError) {
                return try await sendOnce(event)
            } catch {
                // If the namespace is being deleted or rights are missing, a later try would fail too.
                if error.isDefinite { break }
                try? await Task.sleep(for: backoff.next())
            }
        }
        state.withLock { $0.dropped += 1 }
    }

    private func sendOnce(_ event: Event) async throws(KubernetesError) {
        let key = Key(uid: event.object.uid, reason: event.reason, message: event.message)
        let now = JSONValue.string(KubernetesTime.seconds())
        let known = state.withLock { state in
            state.known[key]?.count += 1
            return state.known[key]
        }
        if let known {
            let patch: JSONValue = ["count": .number(JSONNumber(known.count)), "lastTimestamp": now]
            do throws(KubernetesError) {
                _ = try await client.call(.patch(known.path, .merge, patch))
                return
            } catch {
                // An event lives an hour; this one is gone.
                guard error.status?.isNotFound ?? false else { throw error }
            }
        }
        // The namespace for events of cluster-wide objects.
        let namespace = event.object.namespace.isEmpty ? "default" : event.object.namespace
        let suffix = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        let name = "\(event.object.name.prefix(200)).\(suffix)"
        _ = try await client.call(.create(APIPath.events(namespace), object(event, namespace, name, now)))
        state.withLock { state in
            if state.known.count >= Self.mostKnown { state.known = [:] }
            state.known[key] = Known(path: APIPath.events(namespace, name), count: 1)
        }
    }

    private func object(_ event: Event, _ namespace: String, _ name: String, _ now: JSONValue) -> JSONValue {
        let involved: JSONValue = [
            "apiVersion": .string(event.object.apiVersion), "kind": .string(event.object.kind),
            "name": .string(event.object.name), "uid": .string(event.object.uid),
            "resourceVersion": .string(event.object.resourceVersion),
        ]
        return [
            "apiVersion": "v1", "kind": "Event",
            "metadata": ["namespace": .string(namespace), "name": .string(name)],
            "involvedObject": event.object.namespace.isEmpty
                ? involved : involved.with("namespace", .string(event.object.namespace)),
            "type": .string(event.kind.rawValue), "reason": .string(event.reason), "message": .string(event.message),
            "source": ["component": .string(component)], "reportingComponent": .string(component),
            "reportingInstance": .string(instance), "firstTimestamp": now, "lastTimestamp": now, "count": 1,
        ]
    }

    private static func shortened(_ message: String) -> String {
        guard message.utf8.count > longestMessage else { return message }
        var short = ""
        var bytes = 3
        for character in message {
            bytes += character.utf8.count
            guard bytes <= longestMessage else { break }
            short.append(character)
        }
        return short + "…"
    }
}
