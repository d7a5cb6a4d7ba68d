internal import Curl
internal import JSON
internal import Synchronization

/// Keeps an `ObjectCache` equal to what the API server has: lists in pages, then watches; lists again only if the
/// server cannot continue the watch.
///
/// `onChange` is called for every change, in order, after the cache was updated.
package final class Reflector<Object: WatchedObject>: Sendable {
    /// What a reflector has done since its start.
    package struct Counts: Sendable, Hashable {
        /// Lists begun.
        package var lists = 0
        /// Watches begun.
        package var watches = 0
        /// Events received, bookmarks aside.
        package var events = 0
        /// Tries that failed.
        package var failures = 0
        /// Objects and events that could not be read, and were passed over.
        package var unreadable = 0
    }

    /// What the next try starts from.
    private enum Start {
        /// A consistent list.
        case list
        /// A list without pages, after a page's token had expired.
        case wholeList
        /// A watch from here.
        case watch(String)
    }

    private struct State {
        var counts = Counts()
        var lastContact: ContinuousClock.Instant?
        /// Whether the cache may be incomplete or outdated, because an object or event was unreadable since the last
        /// complete list.
        var isIncomplete = false
        var lastFailure: String?
    }

    /// What it keeps up to date.
    package let cache: ObjectCache<Object>
    private let client: KubernetesClient
    private let path: String
    private let query: [(name: String, value: String)]
    private let pageSize: Int
    private let onChange: @Sendable (Change<Object>) -> Void
    private let onFailure: @Sendable (KubernetesError) -> Void
    private let onUnreadable: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// Makes a reflector that does nothing yet.
    ///
    /// - Parameters:
    ///   - client: Whom to ask.
    ///   - path: The collection.
    ///   - query: Selectors.
    ///   - pageSize: Objects in a page of a list.
    ///   - cache: What to keep up to date.
    ///   - onFailure: Called with a failure before the next try; must not block.
    ///   - onUnreadable: Called for each skipped object, with the reason; must not block.
    ///   - onChange: Called for every change; must not block.
    package init(
        _ client: KubernetesClient,
        _ path: String,
        query: [(name: String, value: String)] = [],
        pageSize: Int = 500,
        cache: ObjectCache<Object>,
        onFailure: @escaping @Sendable (KubernetesError) -> Void = { _ in },
        onUnreadable: @escaping @Sendable (String) -> Void = { _ in },
        onChange: @escaping @Sendable (Change<Object>) -> Void
    ) {
        self.client = client
        self.path = path
        self.query = query
        self.pageSize = pageSize
        self.cache = cache
        self.onChange = onChange
        self.onFailure = onFailure
        self.onUnreadable = onUnreadable
    }

    /// What it has done.
    package var counts: Counts { state.withLock { $0.counts } }

    /// Whether the last list and all events since could be read.
    package var isComplete: Bool { state.withLock { !$0.isIncomplete } }

    /// How long ago the server last answered, if ever.
    package var silence: Duration? { state.withLock { $0.lastContact.map { .now - $0 } } }

    /// Lists and watches until the task is cancelled.
    package func run() async {
        var backoff = Backoff(first: .milliseconds(800), longest: .seconds(30), jitter: 1)
        var start = Start.list
        while !Task.isCancelled {
            let begun = ContinuousClock.now
            do throws(KubernetesError) {
                start = try await step(start)
                if .now - begun > .seconds(120) { backoff.reset() }
            } catch {
                if case .canceled = error { return }
                if .now - begun > .seconds(120) { backoff.reset() }
                state.withLock { state in
                    state.counts.failures += 1
                    state.lastFailure = error.description
                }
                start = next(after: error, start)
                // An expired version means that a new list is needed; it is not a failure to wait after.
                if error.status?.isExpired ?? false, backoff.count == 0 {
                    _ = backoff.next()
                    continue
                }
                onFailure(error)
                try? await Task.sleep(for: max(backoff.next(), error.status?.retryAfter ?? .zero))
            }
        }
    }

    private func next(after error: KubernetesError, _ start: Start) -> Start {
        guard let status = error.status else { return start }
        if status.isExpired, case .list = start { return .wholeList }
        return status.isExpired || status.isTooLargeResourceVersion ? .list : start
    }

    private func step(_ start: Start) async throws(KubernetesError) -> Start {
        switch start {
        case .list: return .watch(try await list(inPagesOf: pageSize))
        case .wholeList: return .watch(try await list(inPagesOf: nil))
        case .watch(let version):
            let next = try await watch(from: version)
            // After an unreadable event, a list shows the object's state.
            return isComplete ? next : .list
        }
    }

    /// Updates the cache from a list; returns the version to watch from.
    private func list(inPagesOf size: Int?) async throws(KubernetesError) -> String {
        state.withLock { $0.counts.lists += 1 }
        var missing = Set(cache.keys)
        var unreadable: [[UInt8]] = []
        var page = query
        if let size { page.append(("limit", String(size))) }
        var version = ""
        var token: String? = nil
        repeat {
            var call = APICall(.get, path, query: page, timeout: .seconds(60))
            if let token { call.query.append(("continue", token)) }
            let (list, broken) = try await client.list(call)
            heard()
            guard case .array(let items)? = list["items"] else {
                throw .malformed(call: call.phrase, reason: "it has no items")
            }
            for element in broken {
                passOver("\(element.error)", element.bytes, call)
                unreadable.append(element.bytes)
            }
            for item in items {
                guard let object = Object(item) else {
                    passOver("it has no name, uid or version", item.bytes, call)
                    unreadable.append(item.bytes)
                    continue
                }
                missing.remove(object.metadata.key)
                take(object)
            }
            version = list["metadata", "resourceVersion"]?.string ?? ""
            token = list["metadata", "continue"]?.string
        } while !(token ?? "").isEmpty
        // An unreadable object is not gone: its last known state is kept.
        for key in missing where !unreadable.contains(where: { cache.isKnown(key, in: $0) }) { drop(key) }
        state.withLock { $0.isIncomplete = !unreadable.isEmpty }
        cache.markSynced()
        return version
    }

    /// Follows the changes until the server ends the watch; returns the version for the next one.
    private func watch(from start: String) async throws(KubernetesError) -> Start {
        state.withLock { $0.counts.watches += 1 }
        var version = start
        let seconds = Int.random(in: 300...600)
        let call = APICall(
            .get,
            path,
            query: query + [
                ("watch", "1"), ("resourceVersion", version), ("allowWatchBookmarks", "true"),
                ("timeoutSeconds", String(seconds)),
            ],
            timeout: .seconds(seconds + 30)
        )
        let begun = ContinuousClock.now
        let stream = try await client.open(call, idleTimeout: .seconds(180))
        heard()
        var events = 0
        do {
            while let line = try await stream.nextLine() {
                guard !line.isEmpty else { continue }
                heard()
                events += 1
                version = try apply(line, call) ?? version
            }
        } catch let error as KubernetesError {
            throw error
        } catch let error as CurlError {
            if error.isCanceled { throw .canceled }
            // The next watch continues from the last version. If the watch ends quickly, wait before the next one.
            guard .now - begun < .seconds(5), events == 0 else {
                try? await Task.sleep(for: .milliseconds(Int.random(in: 50...500)))
                return .watch(version)
            }
            throw .unreachable(call: call.phrase, reason: "\(error)", wasSent: true)
        } catch {
            throw .malformed(call: call.phrase, reason: "\(error)")
        }
        if .now - begun < .seconds(1), events == 0 {
            throw .unreachable(call: call.phrase, reason: "the watch ended at once", wasSent: true)
        }
        return .watch(version)
    }

    /// Handles one event; returns its version.
    private func apply(_ line: [UInt8], _ call: APICall) throws(KubernetesError) -> String? {
        let event: JSONValue
        do throws(JSONError) {
            event = try JSONValue(parsing: line)
        } catch {
            // A truncated line fails at its end and comes again with the next watch; a malformed one would fail again.
            guard error.offset < line.count else { throw .malformed(call: call.phrase, reason: "\(error)") }
            passOver("\(error)", line, call)
            return nil
        }
        let object = event["object"] ?? .null
        switch event["type"]?.string {
        case "ADDED", "MODIFIED":
            state.withLock { $0.counts.events += 1 }
            if let object = read(object, call) { take(object) }
        case "DELETED":
            state.withLock { $0.counts.events += 1 }
            if let object = read(object, call) {
                cache.remove(object.metadata.key)
                onChange(.gone(object))
            }
        case "ERROR":
            throw .refused(call: call.phrase, Status(object))
        default:
            break
        }
        return object["metadata", "resourceVersion"]?.string
    }

    private func read(_ object: JSONValue, _ call: APICall) -> Object? {
        if let object = Object(object) { return object }
        passOver("it has no name, uid or version", object.bytes, call)
        return nil
    }

    /// Skips an unreadable object, which must not hide all others of its kind.
    private func passOver(_ reason: String, _ bytes: [UInt8], _ call: APICall) {
        state.withLock { state in
            state.counts.unreadable += 1
            state.isIncomplete = true
        }
        let name = Self.name(in: bytes).map { " '\($0)'" } ?? ""
        onUnreadable("an object\(name) of \(call.path): \(reason)")
    }

    /// The first `"name":"…"` in an object's text, which is its own because of the API server's member order.
    private static func name(in bytes: [UInt8]) -> String? {
        let text = String(decoding: bytes.prefix(4096), as: UTF8.self)
        guard let key = text.firstRange(of: "\"name\":\"") else { return nil }
        let name = text[key.upperBound...].prefix {
            $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == ".")
        }
        return name.isEmpty ? nil : String(name)
    }

    private func take(_ object: Object) {
        let old = cache.put(object)
        // The object was replaced by another one of the same name between two watches.
        if let old, old.metadata.uid != object.metadata.uid { onChange(.gone(old)) }
        guard old?.metadata.resourceVersion != object.metadata.resourceVersion else { return }
        onChange(.present(object))
    }

    private func drop(_ key: String) {
        if let old = cache.remove(key) { onChange(.gone(old)) }
    }

    private func heard() { state.withLock { $0.lastContact = .now } }
}
