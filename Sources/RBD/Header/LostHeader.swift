internal import ExactText
public import RADOS
internal import SystemPackage

/// Data of an image that has no header.
public struct LostData: Sendable {
    /// A data object of it: `rbd_data.ID.NUMBER`; with a data pool `rbd_data.POOL.ID.NUMBER`, where POOL is the number of
    /// the header's pool.
    public let object: String
    /// The pool that has the object; `nil` if only the object map tells of it.
    public let pool: String?
}

extension IOContext {
    /// Looks for data of an image that has no header.
    ///
    /// A maker that was killed leaves no data, so whose header is missing beside data has lost it. An object map tells of
    /// data in whatever pool; it can be wrong only if the header said so, so this pool's first objects are asked for
    /// besides. Without a map, every pool may have the data, and the first objects are asked for in all. Pools that Ceph
    /// refuses to this user have none: an image is only made where its maker can read its data.
    ///
    /// The first 64 objects are looked at: every file system begins in the first.
    ///
    /// - Parameter id: The image's id.
    /// - Returns: One of its data objects; `nil` if none is found.
    /// - Throws: `RBDError` when the map does not tell of data and a pool that may have it does not answer.
    public func data(ofHeaderless id: String) async throws(RBDError) -> LostData? {
        let map = try await objectMap(ofID: id)
        let mapped = map?.existing(from: 0, limit: 64).prefix(64) ?? []
        let numbers = mapped.isEmpty ? Array(0..<64) : Array(mapped)
        for pool in try poolsOfData(isMappedEmpty: map != nil && mapped.isEmpty) {
            let isOwn = pool.isExactly(self.pool)
            let prefix = isOwn ? "rbd_data.\(id)" : "rbd_data.\(poolID).\(id)"
            do throws(RBDError) {
                let objects = numbers.map { "\(prefix).\(Self.digits($0))" }
                if let object = try await first(of: objects, in: pool) { return LostData(object: object, pool: pool) }
            } catch {
                let isRefused = error.code == .notPermitted || error.code == .permissionDenied || error.isNotFound
                guard !mapped.isEmpty || isRefused && !isOwn else { throw error }
            }
        }
        return mapped.first.map { LostData(object: "rbd_data.*\(id).\(Self.digits($0))", pool: nil) }
    }

    /// This pool first; only this one if an object map says that there is no data.
    private func poolsOfData(isMappedEmpty: Bool) throws(RBDError) -> [String] {
        guard !isMappedEmpty else { return [pool] }
        do throws(RADOSError) {
            let all = try cluster.poolNames()
            return [pool] + all.filter { !$0.isExactly(pool) }.sorted()
        } catch {
            throw RBDError(error)
        }
    }

    /// The first of these objects that is in a pool, in this namespace; all are asked for at once.
    private func first(of objects: [String], in pool: String) async throws(RBDError) -> String? {
        let context: IOContext
        do throws(RADOSError) {
            context = pool.isExactly(self.pool) ? self : try cluster.ioContext(pool: pool, namespace: namespace)
        } catch {
            throw RBDError(error)
        }
        let looks = await withTaskGroup(of: Look.self) { group in
            for (index, object) in objects.enumerated() {
                group.addTask {
                    let isThere = await context.outcome { () async throws(RBDError) in try await context.holds(object) }
                    return Look(index: index, isThere: isThere)
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        .sorted { $0.index < $1.index }
        if let found = looks.first(where: { (try? $0.isThere.get()) == true }) { return objects[found.index] }
        for look in looks { _ = try look.isThere.get() }
        return nil
    }

    private struct Look: Sendable {
        let index: Int
        let isThere: Result<Bool, RBDError>
    }

    private func holds(_ object: String) async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            return try await sizeBytes(of: object) != nil
        } catch {
            throw RBDError(error)
        }
    }

    private static func digits(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: max(0, 16 - digits.count)) + digits
    }
}
