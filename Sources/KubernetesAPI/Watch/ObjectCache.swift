internal import Synchronization

/// The objects of a kind, kept up to date by a `Reflector`, found by name and by what an index says of them.
package final class ObjectCache<Object: WatchedObject>: Sendable {
    /// What an object is found by beside its key; nothing for objects that are not in the index.
    package typealias Index = @Sendable (Object) -> String?

    private struct State {
        var objects: [String: Object] = [:]
        var indexes: [[String: Set<String>]]
        var isSynced = false
    }

    private let indexes: [Index]
    private let state: Mutex<State>

    /// Makes an empty cache.
    ///
    /// - Parameter indexes: How objects are found; `objects(in:_:)` names them by their place here.
    package init(indexes: [Index] = []) {
        self.indexes = indexes
        state = Mutex(State(indexes: Array(repeating: [:], count: indexes.count)))
    }

    /// Whether all objects have been listed once.
    package var isSynced: Bool { state.withLock { $0.isSynced } }

    /// How many objects there are.
    package var count: Int { state.withLock { $0.objects.count } }

    /// The object of that key: `namespace/name`, or the name.
    package func object(_ key: String) -> Object? { state.withLock { $0.objects[key] } }

    /// All objects for which the index says `value`.
    package func objects(in index: Int, _ value: String) -> [Object] {
        state.withLock { state in
            (state.indexes[index][value] ?? []).compactMap { state.objects[$0] }
        }
    }

    /// How many objects there are for which the index says `value`.
    package func count(in index: Int, _ value: String) -> Int {
        state.withLock { $0.indexes[index][value]?.count ?? 0 }
    }

    /// The keys of all objects.
    package var keys: [String] { state.withLock { Array($0.objects.keys) } }

    /// All objects that `predicate` holds for.
    package func filter(_ predicate: (Object) -> Bool) -> [Object] {
        state.withLock { $0.objects.values.filter(predicate) }
    }

    /// Takes an object in, and returns the one that was there.
    @discardableResult
    package func put(_ object: Object) -> Object? {
        let compact = object.compact
        let key = compact.metadata.key
        return state.withLock { state in
            let old = state.objects.updateValue(compact, forKey: key)
            for (place, index) in indexes.enumerated() {
                let before = old.flatMap(index)
                let now = index(compact)
                guard before != now else { continue }
                if let before { Self.remove(key, from: before, &state.indexes[place]) }
                if let now { state.indexes[place][now, default: []].insert(key) }
            }
            return old
        }
    }

    /// Takes an object out, and returns it.
    @discardableResult
    package func remove(_ key: String) -> Object? {
        state.withLock { state in
            guard let old = state.objects.removeValue(forKey: key) else { return nil }
            for (place, index) in indexes.enumerated() {
                if let value = index(old) { Self.remove(key, from: value, &state.indexes[place]) }
            }
            return old
        }
    }

    func markSynced() { state.withLock { $0.isSynced = true } }

    private static func remove(_ key: String, from value: String, _ index: inout [String: Set<String>]) {
        index[value]?.remove(key)
        if index[value]?.isEmpty ?? false { index[value] = nil }
    }
}
