internal import ImageMapping
internal import LinuxKernel
internal import Logging
internal import RADOS
internal import Secrets
internal import Synchronization
internal import SystemPackage

/// Connections to clusters that are kept: at unmap there is no user to make one as, and to make one takes longer than to map.
///
/// One that Ceph has blocklisted is replaced: it has no locks, for what it locks is locked in the name of the kernel's client.
///
/// All calls block.
final class KeptConnections: Sendable {
    private struct Link {
        var userKey: Secret
        var cluster: Cluster
    }

    private let links = Mutex<[ClusterUser: Link]>([:])
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
    }

    /// Does `body`, which may be repeated, in the image's pool; once more on a new connection when Ceph has blocklisted ours.
    func connected<R>(
        for request: MapRequest,
        _ body: (IOContext) throws(MappingError) -> R
    ) throws(MappingError) -> R {
        let context = try context(for: request)
        let failure: MappingError
        do throws(MappingError) {
            return try body(context)
        } catch {
            failure = error
        }
        guard failure.isBlocklisted else { throw failure }
        let user = ClusterUser(request)
        let isDropped = links.withLock { links in
            guard links[user]?.cluster === context.cluster else { return false }
            links[user] = nil
            return true
        }
        if isDropped {
            logger.warning(
                "Ceph has blocklisted this client; connecting anew",
                metadata: [
                    "ceph.user": "client.\(request.credentials.userID)",
                    "ceph.client": "\((try? context.cluster.addresses()) ?? "client.\(context.cluster.instanceID)")",
                ]
            )
        }
        return try body(try self.context(for: request))
    }

    private func context(for request: MapRequest) throws(MappingError) -> IOContext {
        let cluster = try cluster(for: request)
        do throws(RADOSError) {
            return try cluster.ioContext(pool: request.image.pool, namespace: request.image.namespace)
        } catch {
            throw MappingError("reach image \(request.image)", error, as: request.credentials)
        }
    }

    /// Whether the cluster answers, and has no such pool.
    func isPoolGone(_ request: MapRequest) -> Bool {
        guard let cluster = try? cluster(for: request) else { return false }
        do throws(RADOSError) {
            _ = try cluster.ioContext(pool: request.image.pool, namespace: request.image.namespace)
            return false
        } catch {
            return error.code == .noSuchFileOrDirectory
        }
    }

    func cluster(for request: MapRequest) throws(MappingError) -> Cluster {
        let (image, credentials) = (request.image, request.credentials)
        let user = ClusterUser(request)
        let known = links.withLock { links in
            links[user].flatMap { $0.userKey == credentials.userKey ? $0.cluster : nil }
        }
        do throws(RADOSError) {
            let cluster: Cluster
            if let known {
                cluster = known
            } else {
                cluster = try Cluster.connect(monitors: request.monitors, credentials: credentials)
            }
            try cluster.refreshMap()
            links.withLock { $0[user] = Link(userKey: credentials.userKey, cluster: cluster) }
            return cluster
        } catch {
            throw MappingError("reach image \(image)", error, as: credentials)
        }
    }
}
