internal import Synchronization

/// The objects of a kind, kept up to date by a `Reflector`, found by name and by indexes.
package final class ObjectCache<Object: WatchedObject>: Sendable {
    /// The index value of an object; `nil` if the object is not in the index.
    package typealias Index = @Sendable (Object) -> String?

    /// A separate allocation for each object, because a half-empty dictionary of inline objects would waste memory.
    private final class Kept: Sendable {
        let object: Object

        init(_ object: Object) {
            self.object = object
        }
    }

    /// The keys of one index value; most have one key, which needs no set.
    private enum Keys {
        case one(String)
        case several(Set<String>)

        var all: [String] {
            switch self {
            case .one(let key): [key]
            case .several(let keys): Array(keys)
            }
        }

        var count: Int {
            switch self {
            case .one: 1
            case .several(let keys): keys.count
            }
        }
    }

    private struct State {
        var objects: [String: Kept] = [:]
        var indexes: [[String: Keys]]
        var isSynced = false

        mutating func insert(_ key: String, _ value: String, in place: Int) {
            switch indexes[place].removeValue(forKey: value) {
            case nil: indexes[place][value] = .one(key)
            case .one(let other): indexes[place][value] = .several([other, key])
            case .several(var keys):
                keys.insert(key)
                indexes[place][value] = .several(keys)
            }
        }

        mutating func remove(_ key: String, _ value: String, in place: Int) {
            guard case .several(var keys)? = indexes[place].removeValue(forKey: value) else { return }
            keys.remove(key)
            guard !keys.isEmpty else { return }
            indexes[place][value] = .several(keys)
        }
    }

    private let indexes: [Index]
    private let state: Mutex<State>

    /// Makes an empty cache.
    ///
    /// - Parameter indexes: The indexes; `objects(in:_:)` refers to them by position.
    package init(indexes: [Index] = []) {
        self.indexes = indexes
        state = Mutex(State(indexes: Array(repeating: [:], count: indexes.count)))
    }

    /// Whether all objects have been listed once.
    package var isSynced: Bool { state.withLock { $0.isSynced } }

    /// How many objects there are.
    package var count: Int { state.withLock { $0.objects.count } }

    /// The object of that key: `namespace/name`, or the name.
    package func object(_ key: String) -> Object? { state.withLock { $0.objects[key]?.object } }

    /// All objects with this index value.
    package func objects(in index: Int, _ value: String) -> [Object] {
        state.withLock { state in
            (state.indexes[index][value]?.all ?? []).compactMap { state.objects[$0]?.object }
        }
    }

    /// The number of objects with this index value.
    package func count(in index: Int, _ value: String) -> Int {
        state.withLock { $0.indexes[index][value]?.count ?? 0 }
    }

    /// The keys of all objects.
    package var keys: [String] { state.withLock { Array($0.objects.keys) } }

    /// All objects that `predicate` holds for.
    package func filter(_ predicate: (Object) -> Bool) -> [Object] {
        state.withLock { state in
            state.objects.values.lazy.map(\.object).filter(predicate)
        }
    }

    /// The keys of all objects that `predicate` holds for.
    package func keys(where predicate: (Object) -> Bool) -> [String] {
        state.withLock { state in
            state.objects.compactMap { key, kept in predicate(kept.object) ? key : nil }
        }
    }

    /// Whether a text contains the uid of the object with that key, and so may be that object.
    func isKnown(_ key: String, in text: [UInt8]) -> Bool {
        guard let uid = object(key).map({ Array($0.metadata.uid.utf8) }), uid.count <= text.count else { return false }
        return (0...(text.count - uid.count)).contains { start in
            text[start] == uid[0] && text[start..<(start + uid.count)].elementsEqual(uid)
        }
    }

    /// Stores an object and returns the previous one.
    @discardableResult
    package func put(_ object: Object) -> Object? {
        let compact = object.compact
        let key = compact.metadata.key
        return state.withLock { state in
            let old = state.objects.updateValue(Kept(compact), forKey: key)?.object
            for (place, index) in indexes.enumerated() {
                let before = old.flatMap(index)
                let now = index(compact)
                guard before != now else { continue }
                if let before { state.remove(key, before, in: place) }
                if let now { state.insert(key, now, in: place) }
            }
            return old
        }
    }

    /// Takes an object out, and returns it.
    @discardableResult
    package func remove(_ key: String) -> Object? {
        state.withLock { state in
            guard let old = state.objects.removeValue(forKey: key)?.object else { return nil }
            for (place, index) in indexes.enumerated() {
                if let value = index(old) { state.remove(key, value, in: place) }
            }
            return old
        }
    }

    func markSynced() { state.withLock { $0.isSynced = true } }
}
