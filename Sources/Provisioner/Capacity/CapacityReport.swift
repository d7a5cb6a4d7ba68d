internal import ExactText
internal import JSON
internal import KubernetesAPI
internal import Logging
internal import Secrets
internal import Synchronization
internal import Volumes

/// Publishes the free capacity of classes: to the scheduler by CSIStorageCapacity objects, and to `ClaimReconciler`, so
/// that a claim of a full pool fails at once.
///
/// A pool is reached from every node, so a class has one object, or one for each of its allowed topologies. The
/// scheduler reads them for classes with WaitForFirstConsumer if a CSIDriver of the provisioner's name has
/// `storageCapacity`. Names are derived from the class' uid, so that no object is made twice. Servers before 1.24 have
/// other versions of the kind, or none; then nothing is published.
///
/// See: Kubernetes, "Storage Capacity".
final class CapacityReport: Sendable {
    private struct State {
        var room: [String: (bytes: UInt64, at: ContinuousClock.Instant)] = [:]
        var place: CapacityPlace?
        var version: String?
        var published: Set<String> = []
        /// Whether a pool could not be measured just now, for example because its cluster does not answer.
        var hasUnknown = false
    }

    private let shop: Workshop
    private let findPlace: CapacityPlace.Finding
    private let state = Mutex(State())

    private static let interval = Duration.seconds(60)
    /// The interval while claims wait for free space, or while a class could not be measured.
    private static let soonInterval = Duration.seconds(5)
    /// The greatest age of a measurement that keeps a claim waiting.
    private static let lifetime = Duration.seconds(90)
    private static let versions = ["v1", "v1beta1", "v1alpha1"]
    private static let driverLabel = "csi.storage.k8s.io/drivername"

    init(_ shop: Workshop, place: @escaping CapacityPlace.Finding) {
        self.shop = shop
        findPlace = place
    }

    /// Whether a class' pool is known to be full.
    func isFull(_ storageClass: StorageClass) -> Bool {
        state.withLock { state in
            guard let room = state.room[storageClass.metadata.uid], .now - room.at < Self.lifetime else { return false }
            return room.bytes == 0
        }
    }

    /// Whether a class' capacity is published to the scheduler.
    func isPublished(_ storageClass: StorageClass) -> Bool {
        state.withLock { $0.published.contains { $0.startsExactly(with: Self.name(storageClass, 0)) } }
    }

    /// Measures until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            do {
                try await refresh()
            } catch {
                if case KubernetesError.canceled = error { return }
                if case KubernetesError.notLeading = error { return }
                shop.log(error, "cannot publish how much room classes have", [:])
            }
            let isSoon = state.withLock { state in state.hasUnknown || state.room.values.contains { $0.bytes == 0 } }
            try? await Task.sleep(for: isSoon ? Self.soonInterval : Self.interval)
        }
    }

    /// Measures all classes once, and publishes those whose pods the scheduler places first.
    func refresh() async throws(KubernetesError) {
        let classes = shop.classes.filter { $0.provisioner == shop.settings.driverName }
        var rooms: [(StorageClass, UInt64)] = []
        state.withLock { $0.hasUnknown = false }
        for storageClass in classes {
            guard let bytes = await measure(storageClass) else { continue }
            state.withLock { $0.room[storageClass.metadata.uid] = (bytes, .now) }
            rooms.append((storageClass, bytes))
        }
        let uids = Set(classes.map(\.metadata.uid))
        state.withLock { state in state.room = state.room.filter { uids.contains($0.key) } }
        guard let place = try await place(), let collection = try await collection(place) else { return }
        let waiting = classes.filter(\.waitsForConsumer)
        // A class whose pool cannot be measured now keeps its object.
        let wanted = Set(waiting.flatMap { Self.names($0) })
        let there = try await shop.client.call(
            APICall(.get, collection, query: [("labelSelector", "\(Self.driverLabel)=\(shop.settings.driverName)")])
        )
        var known: [String: JSONValue] = [:]
        for object in there["items"]?.elements ?? [] {
            guard let name = object["metadata", "name"]?.string, let uid = object["metadata", "uid"]?.string else {
                continue
            }
            if wanted.contains(name) {
                known[name] = object
            } else {
                try await gone(.delete("\(collection)/\(name)", uid: uid))
            }
        }
        for (storageClass, bytes) in rooms where storageClass.waitsForConsumer {
            for (number, name) in Self.names(storageClass).enumerated() {
                try await publish(name, known[name], storageClass, number, bytes, in: collection, place)
            }
        }
        state.withLock { $0.published = wanted }
    }

    private func place() async throws(KubernetesError) -> CapacityPlace? {
        if let place = state.withLock(\.place) { return place }
        let place = try await findPlace()
        state.withLock { $0.place = place }
        return place
    }

    private func publish(
        _ name: String,
        _ known: JSONValue?,
        _ storageClass: StorageClass,
        _ number: Int,
        _ bytes: UInt64,
        in collection: String,
        _ place: CapacityPlace
    ) async throws(KubernetesError) {
        let capacity = JSONValue.string(Quantity.text(Int64(clamping: bytes)))
        if let known {
            guard known["capacity"] != capacity else { return }
            return try await gone(.patch("\(collection)/\(name)", .merge, ["capacity": capacity]))
        }
        let metadata: JSONValue = [
            "name": .string(name),
            "labels": [
                Self.driverLabel: .string(shop.settings.driverName),
                "csi.storage.k8s.io/managed-by": "nacre-controller",
            ],
        ]
        let topology = storageClass.allowedTopologies.isEmpty ? nil : storageClass.allowedTopologies[number]
        let object: JSONValue = [
            "apiVersion": .string("storage.k8s.io/\(state.withLock(\.version) ?? "v1")"), "kind": "CSIStorageCapacity",
            "metadata": metadata.with("ownerReferences", place.owner.map { .array([$0]) }),
            "storageClassName": .string(storageClass.metadata.name), "capacity": capacity,
            "nodeTopology": Self.selector(topology),
        ]
        do throws(KubernetesError) {
            _ = try await shop.client.call(.create(collection, object))
        } catch {
            guard error.status?.isAlreadyExists ?? false else { throw error }
        }
    }

    /// Makes a call that also succeeds if the object is gone.
    private func gone(_ call: APICall) async throws(KubernetesError) {
        do throws(KubernetesError) {
            _ = try await shop.client.call(call)
        } catch {
            guard error.status?.isNotFound ?? false else { throw error }
        }
    }

    /// The collection in the newest version that the server has; `nil` if it has none.
    private func collection(_ place: CapacityPlace) async throws(KubernetesError) -> String? {
        func path(_ version: String) -> String {
            APIPath.storageCapacities(place.namespace, version: version)
        }
        if let version = state.withLock(\.version) { return path(version) }
        for version in Self.versions {
            do throws(KubernetesError) {
                _ = try await shop.client.call(APICall(.get, path(version), query: [("limit", "1")]))
                state.withLock { $0.version = version }
                return path(version)
            } catch {
                guard error.status?.isNotFound ?? false || error.status?.isForbidden ?? false else { throw error }
            }
        }
        return nil
    }

    /// The free capacity of a class' pool; `nil` if it cannot be determined.
    private func measure(_ storageClass: StorageClass) async -> UInt64? {
        do {
            let parameters = try ClassParameters(storageClass.parameters)
            let none = SecretTemplate.Values(volumeName: "", claimNamespace: "", claimName: "", claimAnnotations: [:])
            let credentials = try await shop.secrets.credentials(try parameters.secret(for: .provisioner, none))
            return try await shop.service.capacity(
                parameters: parameters.driver,
                capabilities: [],
                credentials: credentials,
                deadline: .now + .seconds(20)
            ).availableBytes
        } catch {
            // A class with a Secret for each claim cannot be measured; other faults of the class are reported by its
            // claims.
            shop.logger.debug(
                "cannot measure a class",
                metadata: ["k8s.class": "\(storageClass.metadata.name)", LogKey.reason: "\(error)"]
            )
            // A fault of the class itself is permanent.
            let passing: [VolumeError.Code] = [.unavailable, .deadlineExceeded, .aborted]
            if passing.contains(error.code) { state.withLock { $0.hasUnknown = true } }
            return nil
        }
    }

    private static func name(_ storageClass: StorageClass, _ number: Int) -> String {
        "csisc-\(storageClass.metadata.uid)" + (number == 0 ? "" : "-\(number)")
    }

    private static func names(_ storageClass: StorageClass) -> [String] {
        (0..<max(1, storageClass.allowedTopologies.count)).map { name(storageClass, $0) }
    }

    private static func selector(_ term: StorageClass.TopologyTerm?) -> JSONValue {
        let expressions = (term?.labels ?? [:]).sorted { $0.key < $1.key }.map { key, values -> JSONValue in
            ["key": .string(key), "operator": "In", "values": JSONValue(values)]
        }
        return expressions.isEmpty ? [:] : ["matchExpressions": .array(expressions)]
    }
}
