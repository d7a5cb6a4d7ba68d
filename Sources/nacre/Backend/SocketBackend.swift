import Blocking
import CephVolumes
import Curl
import ExactText
import FoundationEssentials
import Glibc
import LinuxKernel
import Secrets
import SystemPackage
import VolumeAPI
import VolumeClient
import Volumes

/// The service behind its socket.
struct SocketBackend: VolumeBackend {
    private let client: VolumeClient
    private let health: ServiceHealth
    private let budget: TimeBudget

    /// The service knows the step, but a caller learns of it only at the end of the call.
    var step: String? { nil }

    /// The service's own answer says so.
    var silence: String? { nil }

    /// The service empties the trash by itself.
    var purgeStep: String? { nil }

    /// Finds out that there is a service.
    ///
    /// - Parameters:
    ///   - path: The socket's path.
    ///   - budget: The time that the command has.
    /// - Throws: `CommandFailure` that says what is missing and what to use instead.
    init(path: String, _ budget: TimeBudget = TimeBudget(.seconds(60))) async throws {
        let pool = BlockingPool(threads: 2)
        let remedy = "start it ('nacre serve --socket \(path) …'), name another by --socket, or use --direct"
        let kind: FileKind?
        do throws(KernelError) {
            kind = try FileKind.of(path)
        } catch {
            throw Self.refusal(path, error.errno, remedy)
        }
        guard let kind else {
            throw CommandFailure(.serviceUnreachable, "no service runs here: there is no socket '\(path)'; \(remedy)")
        }
        guard kind == .other else {
            throw CommandFailure(.serviceUnreachable, "'\(path)' is no socket; \(remedy)")
        }
        guard access(path, W_OK) == 0 else { throw Self.refusal(path, Errno(rawValue: errno), remedy) }
        do {
            _ = try await HTTPClient(pool: pool).post(
                unixSocket: path,
                path: CSI.Identity.Probe.path,
                headers: [("Content-Type", "application/json")],
                body: Array("{}".utf8),
                timeout: budget.rest(.seconds(10)) - .now
            )
        } catch  where error.isNotReachable {
            throw CommandFailure(
                .serviceUnreachable,
                "no service answers at '\(path)': \(error.reason); \(remedy)"
            )
        } catch {
            throw CommandFailure(
                .tryAgain,
                "the service at '\(path)' does not answer: \(error.description); see its log, and whether its process is stopped, "
                    + "then repeat the command"
            )
        }
        self.budget = budget
        client = VolumeClient(socketPath: path, pool: pool)
        health = ServiceHealth(socket: path, HTTPClient(pool: pool))
    }

    /// As the service itself sees its config.json; that it does not say so in time is a fault too.
    func configurationFaults() async -> [String] {
        let parts = await healthParts()
        guard let part = parts.first(where: { $0.name == "configuration" })
        else { return ["the service does not say which clusters it can use"] }
        guard part.ok else { return [part.message] }
        guard !parts.contains(where: { $0.name.startsExactly(with: "cluster/") }) else { return [] }
        return ["the service's config.json names no cluster"]
    }

    /// As the service sees it.
    func lackOfClusters() async -> CommandFailure? {
        let parts = await healthParts()
        guard !parts.contains(where: { $0.name.startsExactly(with: "cluster/") }),
            let part = parts.first(where: { $0.name == "configuration" })
        else { return nil }
        return .noClusters(part.ok ? "the service's config.json names no cluster" : part.message, isEmpty: part.ok)
    }

    /// As the service was refused them.
    func refusedPools() async -> [RefusedPool] {
        await healthParts().compactMap { part in
            // cluster/CLUSTER/pool/POOL
            let words = part.name.parts(at: "/")
            guard words.count == 4, words[0].isExactly("cluster"), words[2].isExactly("pool") else { return nil }
            return RefusedPool(clusterID: words[1], pool: words[3], message: part.message)
        }
    }

    /// What it says of itself, where the command's time is not over before; a moment is left for that in any case.
    private func healthParts() async -> [ServiceHealth.Part] {
        await health.parts(until: max(budget.rest(ServiceHealth.limit), .now + .milliseconds(500)))
    }

    /// Asks for the room in such a pool of each cluster that the service knows.
    func absence(ofPool pool: String, deadline: ContinuousClock.Instant) async -> VolumeError? {
        let names = await health.parts(until: deadline).map { $0.name.parts(at: "/") }
            .filter { $0.count > 2 && $0[0].isExactly("cluster") }.map { $0[1] }
        var absences: [String] = []
        for cluster in Set(names.map(ExactText.init)).sorted().map(\.text) {
            let address = PoolAddress(clusterID: cluster, pool: pool)
            guard let absence = try? await self.absence(of: address, deadline: deadline) else { return nil }
            absences.append(absence.message)
        }
        return absences.isEmpty ? nil : .invalid(absences.joined(separator: "; "))
    }

    /// Asks for the room there.
    func absence(of pool: PoolAddress, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeError? {
        var message = CSI.Controller.GetCapacity.Request()
        message.parameters = ["clusterID": pool.clusterID, "pool": pool.pool]
        do throws(VolumeError) {
            _ = try await call(CSI.Controller.GetCapacity.self, message, deadline)
            return nil
        } catch {
            guard error.code == .invalidArgument else { throw error }
            return error
        }
    }

    /// What stands before the socket.
    private static func refusal(_ path: String, _ error: Errno, _ remedy: String) -> CommandFailure {
        guard error == .permissionDenied || error == .notPermitted else {
            return CommandFailure(.serviceUnreachable, "no service at '\(path)': \(error); \(remedy)")
        }
        return CommandFailure(
            .notPermitted,
            "this user may not write to the service's socket '\(path)'; run the command as root, or as who may"
        )
    }

    func create(_ request: CreateVolumeRequest, deadline: ContinuousClock.Instant) async throws(VolumeError) -> Volume {
        var message = CSI.Controller.CreateVolume.Request()
        message.name = request.name
        message.capacityRange = CSI.CapacityRange(request.range)
        message.volumeCapabilities = request.capabilities.map { CSI.VolumeCapability($0) }
        message.parameters = request.parameters
        message.secrets = request.credentials.secrets
        message.volumeContentSource = request.source.map { CSI.VolumeContentSource($0) }
        let answer = try await call(CSI.Controller.CreateVolume.self, message, deadline)
        return try Volume(answer.volume ?? CSI.Volume())
    }

    func list(
        maxEntries: Int32,
        startingToken: String,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> VolumePage {
        var message = CSI.Controller.ListVolumes.Request()
        message.maxEntries = maxEntries
        message.startingToken = startingToken
        let answer = try await call(CSI.Controller.ListVolumes.self, message, deadline)
        var volumes: [Volume] = []
        for entry in answer.entries {
            volumes.append(try Volume(entry.volume ?? CSI.Volume(), users: entry.status?.publishedNodeIDs ?? []))
        }
        return VolumePage(volumes: volumes, nextToken: answer.nextToken)
    }

    func status(of volumeID: String, deadline: ContinuousClock.Instant) async throws(VolumeError) -> VolumeStatus {
        var message = CSI.Controller.ControllerGetVolume.Request()
        message.volumeID = volumeID
        let answer = try await call(CSI.Controller.ControllerGetVolume.self, message, deadline)
        let condition = answer.status?.volumeCondition ?? CSI.VolumeCondition()
        return VolumeStatus(
            volume: try Volume(answer.volume ?? CSI.Volume(), users: answer.status?.publishedNodeIDs ?? []),
            condition: VolumeCondition(isAbnormal: condition.abnormal, message: condition.message)
        )
    }

    func expand(
        _ request: ExpandVolumeRequest,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> ExpandedVolume {
        var message = CSI.Controller.ControllerExpandVolume.Request()
        message.volumeID = request.volumeID
        message.capacityRange = CSI.CapacityRange(request.range)
        message.volumeCapability = request.capability.map { CSI.VolumeCapability($0) }
        message.secrets = request.credentials.secrets
        let answer = try await call(CSI.Controller.ControllerExpandVolume.self, message, deadline)
        return ExpandedVolume(
            capacityBytes: UInt64(clamping: answer.capacityBytes),
            nodeExpansionRequired: answer.nodeExpansionRequired
        )
    }

    func delete(
        _ volumeID: String,
        credentials: Credentials,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) {
        var message = CSI.Controller.DeleteVolume.Request()
        message.volumeID = volumeID
        message.secrets = credentials.secrets
        _ = try await call(CSI.Controller.DeleteVolume.self, message, deadline)
    }

    /// The service empties the trash by itself.
    func emptyTrash(deadline: ContinuousClock.Instant) async -> String? { nil }

    /// Makes a call that may take until the deadline, and converts its error.
    func call<Call: Method>(
        _ method: Call.Type,
        _ message: Call.Request,
        _ deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> Call.Response {
        do throws(ConnectError) {
            // The service's own words are to arrive in time.
            let left = max(deadline - .now, .milliseconds(1))
            let reserve = min(.milliseconds(500), left / 10)
            return try await client.call(method, message, timeout: left - reserve, grace: reserve + .seconds(1))
        } catch {
            throw VolumeError(VolumeError.Code(error.code), error.message)
                .lacking(error.resources.map { MissingPlace(key: $0) })
        }
    }
}
