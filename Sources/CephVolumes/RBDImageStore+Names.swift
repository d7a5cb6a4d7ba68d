internal import ExactText
internal import RBD
public import Volumes

extension RBDImageStore {
    /// The names of a pool's images that begin with a text, whoever made them, as its directory has them.
    ///
    /// - Parameters:
    ///   - prefix: What they begin with; not empty.
    ///   - pool: The pool; of one that is not there nothing comes.
    /// - Returns: The names, in their order.
    /// - Throws: `VolumeError` for a cluster that is not in config.json, and for a pool that cannot be read.
    public func imageNames(
        startingWith prefix: String,
        in pool: PoolAddress
    ) async throws(VolumeError) -> [String] {
        let cluster = try access.configuration.cluster(pool.clusterID)
        let names =
            try await access.looking(into: pool.pool, of: cluster) { (place) throws(VolumeError) -> [String] in
                var names: [String] = []
                var last = prefix
                while true {
                    let page: [(name: String, id: String)]
                    do throws(RBDError) {
                        page = try await place.context.images(after: last, limit: 256)
                    } catch {
                        throw await place.failure("cannot list pool '\(place.id.pool)'", error)
                    }
                    let found = page.prefix { $0.name.startsExactly(with: prefix) }
                    names += found.map(\.name)
                    guard found.count == page.count, let final = page.last else { return names }
                    last = final.name
                }
            }
        return names ?? []
    }
}
