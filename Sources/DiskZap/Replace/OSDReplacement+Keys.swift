internal import BlockDevices
internal import ExactText

/// What opens the volumes of an encrypted OSD, and what of that is missing.
///
/// See: ceph-volume util/encryption.py (the monitors' key, the lockbox, TPM2), rook pkg/daemon/ceph/osd/encryption.go.
struct OSDKeys {
    /// What the host's disks say of one part of the OSD.
    struct Volume {
        let role: String
        let place: String
        let tags: [String: String]
        /// Names of tags that hold a secret.
        let secrets: Set<String>
        let luks: LUKSHeader?
        /// Whether its content could be read.
        let isReadable: Bool
    }

    let osdUUID: String
    let volumes: [Volume]

    /// In words, a fact each.
    var facts: [String] {
        guard volumes.contains(where: { $0.tags["ceph.encrypted"] == "1" }) else { return [] }
        return [location] + lockbox + volumes.flatMap(missing)
    }

    private var isSealed: Bool { volumes.contains { $0.tags["ceph.with_tpm"] == "1" } }

    private var location: String {
        isSealed
            ? "the old OSD was encrypted: its key is sealed in this host's TPM and nowhere else (tag ceph.with_tpm)"
            : "the old OSD was encrypted: its key is dm-crypt/osd/\(osdUUID)/luks in the monitors (ceph config-key), and goes "
                + "with ceph osd destroy; the new OSD gets a key of its own"
    }

    /// ceph-volume asks for the key as the lockbox's user, whose own key it left in a tag.
    private var lockbox: [String] {
        guard !isSealed, !volumes.contains(where: { $0.secrets.contains("ceph.cephx_lockbox_secret") }) else {
            return []
        }
        let user = "client.osd-lockbox.\(osdUUID)"
        return [
            "the key of \(user) is missing: none of its volumes has the tag ceph.cephx_lockbox_secret, so ceph-volume cannot "
                + "open it; the cluster has it: ceph auth get-key \(user)"
        ]
    }

    private func missing(_ volume: Volume) -> [String] {
        guard volume.tags["ceph.encrypted"] == "1", volume.isReadable else { return [] }
        guard let luks = volume.luks else {
            return ["the LUKS header of its \(volume.role) (\(volume.place)) is missing: no key opens that any more"]
        }
        return luks.hasKeySlot
            ? [] : ["no key slot of its \(volume.role) (\(volume.place)) is in use: no key opens that any more"]
    }
}

extension LUKSHeader {
    /// Which key is missing to see what an encrypted disk is, in words.
    var keyInWords: String {
        guard hasKeySlot else { return "no key slot of it is in use, so no key opens it any more" }
        if let claim = label.behind("pvc_name=") {
            return
                "its key is in Rook's Secret rook-ceph-osd-encryption-key-\(claim), or in the KMS that the CephCluster names"
        }
        return
            "its key is dm-crypt/osd/UUID/luks in the monitors (ceph config-key ls), by the OSD's UUID (ceph osd dump)"
    }
}
