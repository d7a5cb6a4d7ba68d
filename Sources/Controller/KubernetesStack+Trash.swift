internal import CephVolumes
internal import ExactText
internal import KubernetesAPI
internal import Provisioner
package import ServiceProcess
internal import VolumeServer
internal import Volumes

/// Whose eyes a leader looks into the trash with.
extension KubernetesStack {
    /// Users that a pool's trash is looked into as, at most.
    private static let usersOfPool = 4

    /// Whom a leader looks into the trash of a cluster as: the users of the classes' and volumes' Secrets, its own user if
    /// it has one, and those whom it worked as.
    package func trashUsers(ofCluster clusterID: String) async -> TrashRounds.Users {
        guard election.leads, controller.isSynced else {
            return TrashRounds.Users(absence: "not looked into: another process leads, or all is not listed yet")
        }
        var found = TrashRounds.Users()
        if hasOwnCredentials {
            do throws(VolumeError) {
                found.users.append(PoolUser(clusterID: clusterID, pool: nil, credentials: try ownCredentials.read()))
            } catch {
                found.failures.append(error.message)
            }
        }
        var faults: [ExactText: String] = [:]
        for secret in controller.poolSecrets where secret.clusterID.isExactly(clusterID) {
            // More than one, for a Secret may hold a key that Ceph does not know any more.
            guard found.users.count(where: { $0.pool?.isExactly(secret.pool) == true }) < Self.usersOfPool else {
                continue
            }
            do throws(VolumeError) {
                let user = try await controller.credentials(secret.secret)
                found.users.append(PoolUser(clusterID: clusterID, pool: secret.pool, credentials: user))
            } catch {
                faults[ExactText(secret.pool)] = "the trash of pool '\(secret.pool)': \(error.message)"
            }
        }
        found.users += store.access.callingUsers.filter { $0.clusterID.isExactly(clusterID) }
        // A Secret that is gone is no loss while another leads to the same pool.
        for (pool, fault) in faults.sorted(by: { $0.key < $1.key })
        where !found.users.contains(where: { $0.pool?.isExactly(pool.text) == true }) {
            found.failures.append(fault)
        }
        if found.users.isEmpty, found.failures.isEmpty {
            found.absence = "not looked into: no class and no volume of cluster '\(clusterID)' names a Secret"
        }
        return found
    }
}
