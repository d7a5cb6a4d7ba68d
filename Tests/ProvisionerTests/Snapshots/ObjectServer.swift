import ExactText
import JSON
import KubernetesAPI
import OrderedCollections
import Synchronization
import TestSupport

/// An API server that keeps objects: versions, uids, conflicts, finalizers, status as a subresource; no watches.
///
/// From one write on all may fail, as for a controller that is killed then; that write is done, or not.
final class ObjectServer: Sendable {
    /// The first write that fails.
    struct Fault: Sendable {
        /// Which, counted from 0; all later ones fail without being done.
        var write: Int
        /// Whether that one is done all the same.
        var isDone: Bool
    }

    private struct State {
        var objects: [String: JSONValue] = [:]
        var version: Int64 = 100
        var writes = 0
        var fault: Fault?
        var events: [String] = []
        var told: [String] = []
        var hasSnapshots = true
        var beforeWrite: (@Sendable (_ method: String, _ path: String) -> Void)?
    }

    private let state = Mutex(State())
    private let server = Mutex<ScriptedServer?>(nil)

    static let snapshotAPI = "/apis/snapshot.storage.k8s.io/v1"

    init() throws {
        let server = try ScriptedServer { [unowned self] request, connection in
            if request.method != "GET" {
                let path = String(request.target.split(separator: "?").first ?? "")
                state.withLock { $0.beforeWrite }?(request.method, path)
            }
            let (status, body) = state.withLock { Self.answer(request, &$0) }
            connection.answer(status, String(decoding: body.bytes, as: UTF8.self))
        }
        self.server.withLock { $0 = server }
    }

    var url: String { server.withLock { $0?.url ?? "" } }
    /// The objects' last version: it changes with every write.
    var version: Int64 { state.withLock { $0.version } }
    /// How many writes there were.
    var writes: Int { state.withLock { $0.writes } }
    /// The events, as `reason: message`.
    var events: [String] { state.withLock { $0.events } }
    /// The events once more, as `kind reason`.
    var told: [String] { state.withLock { $0.told } }
    /// Methods and targets of all requests.
    var requests: [String] { server.withLock { $0?.requests.map { "\($0.method) \($0.target)" } ?? [] } }
    /// Called before a write is done, and while others may be; it may wait.
    var beforeWrite: (@Sendable (_ method: String, _ path: String) -> Void)? {
        get { state.withLock { $0.beforeWrite } }
        set { state.withLock { $0.beforeWrite = newValue } }
    }
    /// Whether it has the kinds of snapshots.
    var hasSnapshots: Bool {
        get { state.withLock { $0.hasSnapshots } }
        set { state.withLock { $0.hasSnapshots = newValue } }
    }

    /// The objects of a collection, of all namespaces.
    func all(_ collection: String) -> [JSONValue] {
        state.withLock { state in Self.members(of: collection, state).map(\.value) }
    }

    func object(_ path: String) -> JSONValue? { state.withLock { $0.objects[path] } }

    /// Lets writes fail, counted from now on.
    func fail(_ fault: Fault?) {
        state.withLock { state in
            state.writes = 0
            state.fault = fault
        }
    }

    /// Puts an object there, as another program.
    func put(_ path: String, _ object: JSONValue) {
        state.withLock { state in
            state.version += 1
            let uid =
                state.objects[path]?["metadata", "uid"] ?? object["metadata", "uid"] ?? .string(Self.uid(state.version))
            let metadata = (object["metadata"] ?? [:]).with("uid", uid).with(
                "resourceVersion",
                .string("\(state.version)")
            )
            state.objects[path] = object.with("metadata", metadata)
        }
    }

    /// Changes an object, as another program.
    func patch(_ path: String, _ patch: JSONValue) {
        guard let object = object(path) else { return }
        put(path, Self.merged(object, patch))
    }

    /// Deletes an object, as another program.
    func delete(_ path: String) {
        state.withLock { state in _ = Self.delete(path, nil, &state) }
    }

    private static func uid(_ number: Int64) -> String {
        let digits = String(number)
        return "00000000-0000-4000-9000-" + String(repeating: "0", count: 12 - digits.count) + digits
    }

    private static func members(of collection: String, _ state: State) -> [(key: String, value: JSONValue)] {
        let parts = collection.split(separator: "/").map(String.init)
        let kind = parts.last ?? ""
        let group = parts.dropLast().joined(separator: "/")
        return state.objects.filter { path, _ in
            let words = path.split(separator: "/").map(String.init)
            guard words.count >= 2, words[words.count - 2] == kind else { return false }
            let above = words.dropLast(2).joined(separator: "/")
            return above == group || above.hasPrefix(group + "/namespaces/")
        }
        .sorted { $0.key < $1.key }
    }

    private static func failure(_ code: Int, _ reason: String, _ name: String = "") -> (Int, JSONValue) {
        (
            code,
            [
                "kind": "Status", "code": .number(JSONNumber(code)), "reason": .string(reason),
                "message": .string("\(reason) \(name)"), "details": ["name": .string(name)],
            ]
        )
    }

    private static func answer(_ request: ScriptedServer.Request, _ state: inout State) -> (Int, JSONValue) {
        let parts = request.target.split(separator: "?", maxSplits: 1).map(String.init)
        let path = parts[0]
        let body = (try? JSONValue(parsing: Array(request.body.utf8))) ?? [:]
        if path.hasPrefix(snapshotAPI), !state.hasSnapshots { return (404, "404 page not found") }
        if path.hasSuffix("/events") {
            state.events.append("\(body["reason"]?.string ?? ""): \(body["message"]?.string ?? "")")
            state.told.append("\(body["involvedObject", "kind"]?.string ?? "") \(body["reason"]?.string ?? "")")
            return (201, body)
        }
        guard request.method != "GET" else { return read(path, state) }
        if request.method == "PATCH", path.contains("/events/") { return (200, [:]) }
        let fault = state.fault
        let isFaulty = fault.map { $0.write <= state.writes } ?? false
        let isDone = fault.map { $0.isDone && $0.write == state.writes } ?? true
        state.writes += 1
        guard isDone else { return failure(500, "InternalError") }
        let answer = write(request.method, path, body, &state)
        return isFaulty ? failure(500, "InternalError") : answer
    }

    private static func read(_ path: String, _ state: State) -> (Int, JSONValue) {
        if path == snapshotAPI {
            let names = ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"]
            return (200, ["resources": .array(names.map { ["name": .string($0)] })])
        }
        if let object = state.objects[path] { return (200, object) }
        let last = String(path.split(separator: "/").last ?? "")
        let collections = [
            "volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses", "persistentvolumeclaims", "leases",
            "persistentvolumes", "pods",
        ]
        guard collections.contains(last) else { return failure(404, "NotFound", last) }
        return (
            200,
            [
                "metadata": ["resourceVersion": .string("\(state.version)")],
                "items": .array(members(of: path, state).map(\.value)),
            ]
        )
    }

    private static func write(
        _ method: String,
        _ path: String,
        _ body: JSONValue,
        _ state: inout State
    ) -> (Int, JSONValue) {
        switch method {
        case "POST":
            let name = body["metadata", "name"]?.string ?? ""
            let own = "\(path)/\(name)"
            guard state.objects[own] == nil else { return failure(409, "AlreadyExists", name) }
            state.version += 1
            let metadata = (body["metadata"] ?? [:]).with("uid", .string(uid(state.version)))
                .with("resourceVersion", .string("\(state.version)"))
            let object = body.with("metadata", metadata)
            state.objects[own] = object
            return (201, object)
        case "PATCH":
            return patch(path, body, &state)
        case "DELETE":
            return delete(path, body["preconditions", "uid"]?.string, &state)
        default:
            return failure(405, "MethodNotAllowed")
        }
    }

    private static func patch(_ path: String, _ body: JSONValue, _ state: inout State) -> (Int, JSONValue) {
        let isStatus = path.hasSuffix("/status")
        let own = isStatus ? String(path.dropLast("/status".count)) : path
        let name = String(own.split(separator: "/").last ?? "")
        guard let object = state.objects[own] else { return failure(404, "NotFound", name) }
        if let version = body["metadata", "resourceVersion"], version != object["metadata", "resourceVersion"] {
            return failure(409, "Conflict", name)
        }
        if let uid = body["metadata", "uid"], uid != object["metadata", "uid"] { return failure(409, "Conflict", name) }
        var changed = merged(object, isStatus ? (["status": body["status"] ?? [:]] as JSONValue) : body)
        if !isStatus, own.contains("/volumesnapshot") { changed = changed.with("status", object["status"]) }
        guard changed != object else { return (200, object) }
        state.version += 1
        let metadata = (changed["metadata"] ?? [:]).with("resourceVersion", .string("\(state.version)"))
        changed = changed.with("metadata", metadata)
        let isEnded =
            changed["metadata", "deletionTimestamp"] != nil
            && (changed["metadata", "finalizers"]?.strings ?? []).isEmpty
        state.objects[own] = isEnded ? nil : changed
        return (200, changed)
    }

    private static func delete(_ path: String, _ uid: String?, _ state: inout State) -> (Int, JSONValue) {
        let name = String(path.split(separator: "/").last ?? "")
        guard let object = state.objects[path] else { return failure(404, "NotFound", name) }
        if let uid, object["metadata", "uid"]?.string != uid { return failure(409, "Conflict", name) }
        state.version += 1
        guard !(object["metadata", "finalizers"]?.strings ?? []).isEmpty else {
            state.objects[path] = nil
            return (200, ["kind": "Status", "status": "Success"])
        }
        let metadata = (object["metadata"] ?? [:]).with("deletionTimestamp", "2026-11-30T00:00:00Z")
            .with("resourceVersion", .string("\(state.version)"))
        let doomed = object.with("metadata", metadata)
        state.objects[path] = doomed
        return (200, doomed)
    }

    /// RFC 7386.
    private static func merged(_ object: JSONValue, _ patch: JSONValue) -> JSONValue {
        guard case .object(let members) = patch else { return patch }
        var result: JSONObject = [:]
        if case .object(let present) = object { result = present }
        for (name, value) in members.map({ ($0.key.text, $0.value) }) {
            if case .null = value {
                result[name: name] = nil
            } else {
                result[name: name] = merged(result[name: name] ?? [:], value)
            }
        }
        return .object(result)
    }
}
