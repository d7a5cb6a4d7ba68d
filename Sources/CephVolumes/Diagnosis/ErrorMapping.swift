internal import ExactText
internal import RADOS
internal import RBD
internal import Secrets
internal import SystemPackage
internal import Volumes

/// What an errno of librados or librbd means to the caller of a volume operation.
///
/// CSI: errors per call.
enum ErrorMapping {
    static func connecting(
        to cluster: ClusterEntry,
        as credentials: Credentials,
        _ error: RADOSError
    ) -> VolumeError {
        let monitors = cluster.monitors.joined(separator: ", ")
        let what = "cannot connect to cluster '\(cluster.clusterID)' as \(credentials.entityName)"
        let call = "(\(error.call): \(error.code.name))"
        let keyType = RADOSError.refusal(ofKeyTypeOf: credentials).map { "; \($0)" } ?? ""
        if let fault = error.fault(inKeyOf: credentials) {
            return VolumeError(.unauthenticated, "\(what): \(fault) \(call)")
        }
        if let refusal = error.refusal(of: credentials) {
            return VolumeError(.unauthenticated, "\(what): \(refusal.cause) \(call); \(refusal.remedy)\(keyType)")
        }
        switch error.code {
        case .timedOut:
            return VolumeError(
                .unavailable,
                "\(what): no monitor answers at \(monitors) \(call); check that they run and that config.json is right\(keyType)"
            )
        case _ where error.call == "rados_conf_set":
            return VolumeError(.invalidArgument, "\(what): Ceph does not take the setting '\(error.subject)' \(call)")
        case .noSuchFileOrDirectory, .invalidArgument:
            return VolumeError(
                .invalidArgument,
                "\(what): monitors '\(monitors)' or the user's key are not valid \(call); check config.json and the Secret"
            )
        default:
            return VolumeError(.unavailable, "\(what) \(call); retry later")
        }
    }

    /// That no monitor of a cluster answers, and what to do; for the end of a sentence.
    static func silence(ofCluster clusterID: String, at monitors: [String]) -> String {
        "no monitor of cluster '\(clusterID)' answers at \(monitors.joined(separator: ", ")); check that they run, that this "
            + "machine reaches them, and that config.json is right"
    }

    /// An error of a call on an image or pool; `doing` is such as `cannot create image 'replicapool/csi-vol-…'`.
    static func failing(_ doing: String, _ error: RBDError) -> VolumeError {
        let call = "(\(error.call): \(error.code.name))"
        switch error.code {
        case .noSuchFileOrDirectory:
            return VolumeError(.notFound, "\(doing): it is not there \(call)")
        case .fileExists:
            return VolumeError(.alreadyExists, "\(doing): it exists \(call)")
        case .permissionDenied, .notPermitted:
            return VolumeError(
                .permissionDenied,
                "\(doing): Ceph refuses it to this user \(call); its caps must be mon 'profile rbd', osd 'profile rbd'"
            )
        case .noSpace, .diskQuotaExceeded:
            return VolumeError(
                .resourceExhausted,
                "\(doing): the pool is full or its quota is used up \(call); add space or raise the quota"
            )
        case .timedOut:
            return VolumeError(
                .unavailable,
                "\(doing): the cluster did not answer in time \(call); look at 'ceph health detail', then retry"
            )
        case .socketShutdown:
            return VolumeError(
                .unavailable,
                "\(doing): Ceph has blocklisted this client \(call); see 'ceph osd blocklist ls', then retry"
            )
        case .resourceBusy:
            return VolumeError(.failedPrecondition, "\(doing): it is in use \(call)")
        case .readOnlyFileSystem:
            return VolumeError(
                .failedPrecondition,
                "\(doing): another client holds its exclusive lock and does not let go \(call); unmap it there first"
            )
        case .invalidArgument, .noFunction, .notSupportedOnSocket, .outOfRange:
            return VolumeError(.invalidArgument, "\(doing): Ceph does not take these parameters \(call)")
        default:
            return VolumeError(.internal, "\(doing) \(call)")
        }
    }

    /// That no pool has the name that a person gave; says which names there are, without Ceph's own.
    static func noPool(_ pool: String, in clusterID: String? = nil, among pools: [String]) -> VolumeError {
        let names = Set(pools.filter { !$0.startsExactly(with: ".") }.map(ExactText.init)).sorted()
        let shown = names.prefix(8).map(\.text.printable).joined(separator: ", ")
        let more = names.count > 8 ? " and \(names.count - 8) more" : ""
        let lack = clusterID.map { "cluster '\($0)' has no pool" } ?? "there is no pool"
        return .invalid(
            "\(lack) '\(pool.printable)'; there are \(names.isEmpty ? "none" : shown + more); correct the name, or make the pool"
        )
    }

    static func openingPool(
        _ pool: String,
        of clusterID: String,
        _ error: RADOSError,
        namedBy key: String? = nil
    ) -> VolumeError {
        guard error.isNotFound else {
            return failing("cannot open pool '\(pool)' of cluster '\(clusterID)'", RBDError(error))
        }
        return VolumeError(
            .invalidArgument,
            "cluster '\(clusterID)' has no pool '\(pool)'\(key.map { ", which the parameter \($0) names" } ?? "") "
                + "(\(error.call): \(error.code.name))"
        )
        .ofMissingPlace()
    }
}
