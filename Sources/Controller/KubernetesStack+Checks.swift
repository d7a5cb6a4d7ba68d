internal import CephVolumes
internal import KubernetesAPI
internal import Logging
internal import Provisioner
internal import ServiceProcess
internal import Synchronization
package import VolumeServer
internal import Volumes

/// What is looked at when the process starts, and what it says of its health.
extension KubernetesStack {
    /// Names what RBAC and Ceph do not let us do; rights may come later, so nothing ends for the lack of one.
    func checkPermissions() async {
        do throws(KubernetesError) {
            let missing = try await client.missing(
                of: SelfCheck.permissions(leaseNamespace: leaseNamespace, lease: leaseName)
            )
            self.missing.withLock { $0 = missing }
            logger.tell(missing: missing)
            for permission in try await client.missing(of: SelfCheck.extras(namespace: leaseNamespace)) {
                logger.info("RBAC does not allow what is of use", metadata: ["k8s.permission": "\(permission)"])
            }
        } catch {
            logger.warning("cannot check what RBAC allows", metadata: ["reason": "\(error)"])
        }
        await checkCeph()
    }

    /// Looks whether the controller's own user sees what it must see, by as little as that takes.
    private func checkCeph() async {
        do throws(VolumeError) {
            let store = store
            let page = try await operations.runAlone("look at what Ceph allows", deadline: .now + .seconds(20)) {
                () async throws(VolumeError) in try await store.images(after: nil, limit: 1)
            }
            if !page.missing.isEmpty { throw store.absence(of: page.missing) }
        } catch {
            switch error.code {
            // Without a user of its own, the controller works as those of the classes' Secrets.
            case .failedPrecondition: return
            case .permissionDenied, .unauthenticated:
                logger.error("Ceph does not allow what is needed", metadata: ["reason": "\(error.message)"])
            default:
                logger.warning(
                    "cannot see what Ceph allows, or not all of it",
                    metadata: ["reason": "\(error.message)"]
                )
            }
        }
        // The user may be meant to see some pools only.
        for refused in store.access.refusedPools {
            logger.notice("Ceph does not allow a pool of images", metadata: ["reason": "\(refused.message)"])
        }
    }

    /// The process' health beside that of what it leans on.
    package func health(beside other: Health) -> Health {
        var parts = other.parts
        let missing = missing.withLock(\.self)
        parts.append(
            Health.Part(
                "kubernetes/permissions",
                isWell: missing.isEmpty,
                message: missing.isEmpty
                    ? "all are there" : "missing: " + missing.map(\.description).joined(separator: ", ")
            )
        )
        parts.append(
            Health.Part(
                "kubernetes/caches",
                isWell: controller.isSynced,
                message: controller.isSynced ? "all is listed" : "listing"
            )
        )
        parts.append(
            Health.Part(
                "kubernetes/lease",
                isWell: true,
                message: election.leads ? "held by this process" : "held by '\(election.holder)'"
            )
        )
        return Health(parts)
    }
}
