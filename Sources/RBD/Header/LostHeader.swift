public import Blocking
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

extension ObjectAttribute {
    /// What `makeImage` writes beside a name: the image of that id never had a data pool.
    ///
    /// It says so of no other image: whatever renames, restores or migrates an image makes a new object for the name,
    /// without it, and a name can get another id only so.
    static func hasNoDataPool(_ id: String) -> ObjectAttribute { ObjectAttribute("nacre.no-data-pool", id) }
}

/// What a look for an image's data came to.
public struct DataLook: Sendable {
    /// One of its data objects; `nil` if none was found.
    public var data: LostData?
    /// The pools that may have data of it and that Ceph does not let this user look into.
    public var refusedPools: [String] = []
}

extension IOContext {
    /// The pools that may have the data of an image, this one first.
    ///
    /// Its header tells, or what `makeImage` wrote beside its name. Without both, it may be in any pool.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - name: Its name.
    /// - Returns: The names of pools.
    /// - Throws: `RBDError`.
    public func poolsOfData(ofImageID id: String, named name: String) async throws(RBDError) -> [String] {
        let header = try await imageHeader(id: id)
        do throws(RADOSError) {
            if let header {
                guard header.dataPoolID >= 0, header.dataPoolID != poolID else { return [pool] }
                return [pool, try await cluster.nameOfPool(header.dataPoolID)]
            }
            if try await holds(.hasNoDataPool(id), on: ImageObject.id(ofName: name)) { return [pool] }
            return [pool] + (try cluster.poolNames()).filter { !$0.isExactly(pool) }.sorted()
        } catch {
            throw RBDError(error)
        }
    }

    /// Looks for data of an image that has no header.
    ///
    /// A maker that was killed leaves no data, so whose header is missing beside data has lost it. An object map tells of
    /// data in whatever pool; it can be wrong if the header said so, or was given one that nobody built, so the first
    /// objects are asked for besides.
    ///
    /// The first 64 objects are looked at: every file system begins in the first. Without an object map that is no proof
    /// that there is none: `listedData` looks whole.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - pools: Where it may be.
    /// - Returns: One of its data objects, if any is found, and the pools that this user may not look into.
    /// - Throws: `RBDError` when the map does not tell of data and a pool that may have it does not answer.
    public func data(ofHeaderless id: String, in pools: [String]) async throws(RBDError) -> DataLook {
        let map = try await objectMap(ofID: id)
        let mapped = map?.existing(from: 0, limit: 64).prefix(64) ?? []
        let numbers = mapped.isEmpty ? Array(0..<64) : Array(mapped)
        var look = DataLook()
        for pool in pools {
            let prefix = dataPrefix(of: id, in: pool)
            do throws(RBDError) {
                let objects = numbers.map { "\(prefix)\(Self.digits($0))" }
                if let object = try await first(of: objects, in: pool) {
                    return DataLook(data: LostData(object: object, pool: pool))
                }
            } catch {
                guard mapped.isEmpty else { continue }
                try note(error, of: pool, in: &look)
            }
        }
        look.data = mapped.first.map { LostData(object: "rbd_data.*\(id).\(Self.digits($0))", pool: nil) }
        return look
    }

    /// Looks for data of an image that has no header among all objects of pools, as long as that takes.
    ///
    /// An image with an object map is not looked for: the map tells of all its objects.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - pools: Where it may be.
    ///   - threads: For the list of a pool, which blocks; nothing else may need them.
    /// - Returns: One of its data objects, if there is any, and the pools that this user may not look into.
    /// - Throws: `RBDError` when a pool that may have it does not answer.
    public func listedData(
        ofHeaderless id: String,
        in pools: [String],
        on threads: (String) -> BlockingPool
    ) async throws(RBDError) -> DataLook {
        var look = DataLook()
        guard try await objectMap(ofID: id) == nil else { return look }
        for pool in pools {
            do throws(RBDError) {
                let prefix = dataPrefix(of: id, in: pool)
                let found = try await first(beginningWith: prefix, in: pool, on: threads(pool))
                if let found { return DataLook(data: LostData(object: found, pool: pool)) }
            } catch {
                try note(error, of: pool, in: &look)
            }
        }
        return look
    }

    /// With a data pool, the number of the header's pool stands before the id.
    private func dataPrefix(of id: String, in pool: String) -> String {
        pool.isExactly(self.pool) ? "rbd_data.\(id)." : "rbd_data.\(poolID).\(id)."
    }

    /// A pool that is gone by now has no data, and one that Ceph refuses may have; any other failure is thrown.
    private func note(_ error: RBDError, of pool: String, in look: inout DataLook) throws(RBDError) {
        guard !pool.isExactly(self.pool) else { throw error }
        if error.isNotFound { return }
        guard error.code == .notPermitted || error.code == .permissionDenied else { throw error }
        look.refusedPools.append(pool)
    }

    private func first(
        beginningWith prefix: String,
        in pool: String,
        on threads: BlockingPool
    ) async throws(RBDError) -> String? {
        do throws(RADOSError) {
            let listing = try await threads.run { [self] () throws(RADOSError) -> ObjectListing in
                if pool.isExactly(self.pool) { return try ObjectListing(self) }
                return try ObjectListing(cluster.ioContext(pool: pool, namespace: namespace))
            }
            while true {
                let page = try await threads.run { () throws(RADOSError) in
                    try listing.next(4096, beginningWith: prefix)
                }
                guard let page else { return nil }
                if let found = page.first { return found }
            }
        } catch {
            throw RBDError(error)
        }
    }

    /// The first of these objects that is in a pool, in this namespace; all are asked for at once.
    private func first(of objects: [String], in pool: String) async throws(RBDError) -> String? {
        let context: IOContext
        do throws(RADOSError) {
            context = pool.isExactly(self.pool) ? self : try await cluster.openPool(pool, namespace: namespace)
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
