import Testing
import Volumes

@Suite("StorageClass parameters")
struct ParametersTests {
    static let right = ["clusterID": "c", "pool": "p"]

    @Test(
        "What contradicts itself or is not known is refused, with the key in the message",
        arguments: [
            (["pol": "p"], "pool"),
            (["imagefeatures": "layering"], "imageFeatures"),
            (["whatever": "x"], "whatever"),
            (["pool": ""], "pool"),
            (["clusterID": ""], "clusterID"),
            (["dataPool": ""], "dataPool"),
            (["imageFormat": "1"], "imageFormat"),
            (["imageFeatures": ""], "imageFeatures"),
            (["imageFeatures": "layring"], "layring"),
            (["imageFeatures": "object-map"], "exclusive-lock"),
            (["imageFeatures": "exclusive-lock,fast-diff"], "object-map"),
            (["imageFeatures": "journaling"], "exclusive-lock"),
            (["imageFeatures": "exclusive-lock,journaling", "mounter": "rbd"], "journaling"),
            (["imageFeatures": "layering,,exclusive-lock"], "imageFeatures"),
            (["objectSize": "4000"], "objectSize"),
            (["objectSize": "2048"], "objectSize"),
            (["objectSize": "67108864"], "objectSize"),
            (["objectSize": "-1"], "objectSize"),
            (["objectSize": "4MiB"], "objectSize"),
            (["objectSize": "99999999999999999999"], "objectSize"),
            (["stripeUnit": "65536"], "stripeCount"),
            (["stripeCount": "4"], "stripeUnit"),
            (["stripeUnit": "65537", "stripeCount": "4"], "stripeUnit"),
            (["stripeUnit": "0", "stripeCount": "4"], "stripeUnit"),
            (["stripeUnit": "65536", "stripeCount": "0"], "stripeCount"),
            (["stripeUnit": "65536", "stripeCount": "4096"], "stripeCount"),
            (["stripeUnit": "8388608", "stripeCount": "2"], "stripeUnit"),
            (["mounter": "iscsi"], "mounter"),
            (["tryOtherMounters": "yes"], "tryOtherMounters"),
            (["mapOptions": "kernel:rw"], "mapOptions"),
            (["mapOptions": "krbd:a;;nbd:b"], "mapOptions"),
            (["encrypted": "maybe"], "encrypted"),
            (["encryptionType": "block"], "encryptionType"),
            (["encrypted": "false", "encryptionType": "disk"], "encryptionType"),
            (["encryptionKMSID": "vault"], "encryptionKMSID"),
            (["volumeNamePrefix": "a/b"], "volumeNamePrefix"),
            (["volumeNamePrefix": "ä"], "volumeNamePrefix"),
            (["csi.storage.k8s.io/fstype": "zfs"], "fstype"),
            (["csi.storage.k8s.io/fstype": "xfs", "fstype": "ext4"], "fstype"),
            (["cephLogStrategy": "burn"], "cephLogStrategy"),
            (["pool": "p\n"], "pool"),
            (["BaseIops": "many"], "BaseIops"),
        ]
    )
    func refuses(_ parameters: [String: String], _ word: String) {
        #expect {
            _ = try VolumeParameters(Self.right.merging(parameters) { $1 })
        } throws: { error in
            guard let error = error as? VolumeError else { return false }
            return error.code == .invalidArgument && error.message.contains(word)
        }
    }

    @Test("A class without cluster or pool is refused", arguments: ["clusterID", "pool"])
    func needs(_ key: String) {
        #expect(throws: VolumeError.self) { _ = try VolumeParameters(Self.right.filter { $0.key != key }) }
    }

    @Test("Encryption is refused where the volume would be made", arguments: ["true", "1", "T"])
    func encryption(_ flag: String) {
        #expect {
            _ = try VolumeParameters(Self.right.merging(["encrypted": flag, "encryptionKMSID": "vault"]) { $1 })
        } throws: { ($0 as? VolumeError)?.code == .unimplemented && "\($0)".contains("encrypted") }
        #expect(throws: Never.self) { _ = try VolumeParameters(Self.right.merging(["encrypted": "false"]) { $1 }) }
    }

    @Test("Topology is of a later release, and says so")
    func topology() {
        #expect {
            _ = try VolumeParameters(["clusterID": "c", "topologyConstrainedPools": "[]"])
        } throws: { ($0 as? VolumeError)?.code == .unimplemented }
    }

    @Test("Rook's class for PostgreSQL is taken as it is, and what the node needs is kept")
    func rook() throws {
        let parameters = try VolumeParameters([
            "clusterID": "rook-ceph", "pool": "postgres-replicapool", "imageFormat": "2", "imageFeatures": "layering",
            "csi.storage.k8s.io/provisioner-secret-name": "rook-csi-rbd-provisioner",
            "csi.storage.k8s.io/provisioner-secret-namespace": "rook-ceph",
            "csi.storage.k8s.io/controller-expand-secret-name": "rook-csi-rbd-provisioner",
            "csi.storage.k8s.io/node-stage-secret-name": "rook-csi-rbd-node",
            "csi.storage.k8s.io/fstype": "ext4", "csi.storage.k8s.io/pvc/name": "pgdata", "mounter": "rbd-nbd",
            "mapOptions": "krbd:queue_depth=128,lock_on_read;nbd:try-netlink", "mkfsOptions": "-m0 -O ^has_journal",
            "encrypted": "false",
        ])
        #expect(parameters.clusterID == "rook-ceph" && parameters.pool == "postgres-replicapool")
        #expect(parameters.layout.features == ["layering"])
        #expect(parameters.claimMetadata == ["csi.storage.k8s.io/pvc/name": "pgdata"])
        #expect(parameters.kept["mkfsOptions"] == "-m0 -O ^has_journal" && parameters.kept["encrypted"] == "false")
        #expect(!parameters.kept.keys.contains { $0.hasPrefix("csi.storage.k8s.io/") })
    }
}
