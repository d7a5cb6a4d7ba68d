package import ImageMapping
package import RADOS
internal import RBD
internal import SystemPackage

extension ImageWhereabouts {
    /// Asks the cluster which image has a name.
    ///
    /// Blocks. The connection must have the latest OSD map: the pool may have been made anew under its name.
    ///
    /// - Parameters:
    ///   - mapped: The image that is mapped.
    ///   - image: The name that it was mapped by.
    ///   - cluster: A connection.
    /// - Throws: `MappingError` when the cluster does not answer.
    package init(of mapped: ImageIdentity, as image: ImageAddress, on cluster: Cluster) throws(MappingError) {
        let what = "look up which image is named \(image)"
        var named: ImageIdentity?
        if let context = try Self.context(image.pool, image.namespace, cluster, what) {
            do throws(RBDError) {
                named = try context.idOfImage(named: image.name).map {
                    ImageIdentity(poolID: context.poolID, imageID: $0)
                }
            } catch {
                throw MappingError(what, error)
            }
        }
        let presentName = named == mapped ? nil : Self.presentName(of: mapped, image.namespace, cluster)
        self.init(mapped: mapped, named: named, presentName: presentName)
    }

    private static func context(
        _ pool: String,
        _ namespace: String,
        _ cluster: Cluster,
        _ what: String
    ) throws(MappingError) -> IOContext? {
        do throws(RADOSError) {
            return try cluster.ioContext(pool: pool, namespace: namespace)
        } catch {
            guard error.code == .noSuchFileOrDirectory else { throw MappingError(what, error) }
            return nil
        }
    }

    /// What an image is called now, which only serves the words of a refusal.
    private static func presentName(of image: ImageIdentity, _ namespace: String, _ cluster: Cluster) -> String? {
        guard let pool = try? cluster.poolName(id: image.poolID),
            let context = try? cluster.ioContext(pool: pool, namespace: namespace),
            let name = try? context.nameOfImage(withID: image.imageID)
        else { return nil }
        return "\(context.label)/\(name)"
    }
}
