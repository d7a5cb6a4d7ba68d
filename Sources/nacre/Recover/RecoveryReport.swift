import CommandNames
import ExactText
import Provisioner
import Volumes
import YAML

/// What a recovery would make, or made; for the table and for scripts.
struct RecoveryReport: Encodable {
    /// Where a volume's objects stand.
    enum State: String, Encodable {
        case missing
        case present
        case made
        case blocked
        case passedOver
    }

    /// One image.
    struct Volume: Encodable {
        let volumeId: String
        let state: State
        /// Why nothing is made, and what to do.
        let reason: String?
        /// `namespace/name`.
        let claim: String?
        let persistentVolume: String?
        let capacityBytes: UInt64
        let storageClass: String?
        let accessModes: [String]?
        let reclaimPolicy: String?
        let volumeMode: String?
        let delivery: String?
        /// The uid of the Kubernetes that has it, by its image's word.
        let kubernetesCluster: String?
        let notes: [String]
    }

    let pool: String
    let volumes: [Volume]

    init(_ items: [RecoveryItem], pool: String, made: Set<String>) {
        self.pool = pool
        volumes = items.map { item in
            let handle = "\(item.image.id)"
            let record = item.objects == nil ? nil : item.record
            return Volume(
                volumeId: handle,
                state: made.contains(handle) ? .made : State(item.standing),
                reason: item.reason,
                claim: (item.objects?.claimName ?? item.image.claim)?.description,
                persistentVolume: item.objects?.name,
                capacityBytes: item.image.sizeBytes,
                storageClass: record?.className,
                accessModes: record?.accessModes,
                reclaimPolicy: record?.reclaimPolicy,
                volumeMode: item.objects?.volumeMode,
                delivery: record?.deliveryName,
                kubernetesCluster: item.image.cluster,
                notes: item.notes
            )
        }
    }

    /// The claims that are back or would be, one a line.
    var claims: [String] { volumes.filter { $0.reason == nil }.compactMap(\.claim) }

    /// What is not made, a sentence each.
    var refusals: [String] {
        volumes.compactMap { volume in
            volume.reason.map { reason in "not recovered: '\(volume.volumeId)': \(reason)" }
        }
    }

    /// As tables for a person.
    func lines(_ terminal: Terminal) -> [String] {
        let taken = volumes.filter { $0.reason == nil }
        let left = volumes.filter { $0.reason != nil }
        var lines: [String] = []
        if !taken.isEmpty {
            var table = Table("CLAIM", "SIZE", "CLASS", "ACCESS", "MODE", "POLICY", "STATE", "PERSISTENTVOLUME")
            table.rows = taken.map { volume in
                [
                    volume.claim ?? "-", volume.capacityBytes.inShort, volume.storageClass ?? "-",
                    (volume.accessModes ?? []).joined(separator: ","), volume.volumeMode ?? "-",
                    volume.reclaimPolicy ?? "-", volume.state.rawValue, volume.persistentVolume ?? "-",
                ]
            }
            lines += table.lines { terminal.colored($0, .bold) }
            for volume in taken { lines += volume.notes.map { "\(volume.claim ?? volume.volumeId): \($0)" } }
        }
        if !left.isEmpty {
            var table = Table("NOT RECOVERED", "ITS CLAIM WAS", "WHY")
            table.rows = left.map { [$0.volumeId, $0.claim ?? "not noted", $0.reason ?? ""] }
            lines += table.lines { terminal.colored($0, .bold) }
        }
        return lines.isEmpty ? ["there is no image of a volume in pool '\(pool)'"] : lines
    }

    /// The objects that lack, for kubectl apply: a PersistentVolume comes before its claim.
    static func manifests(_ items: [RecoveryItem]) -> [String] {
        items.filter { $0.standing == .missing }.compactMap(\.objects).flatMap { objects in
            [objects.volume, objects.claim].flatMap { object in
                ["---"] + object.yaml.parts(at: "\n", omittingEmpty: true)
            }
        }
    }
}

extension RecoveryReport.State {
    init(_ standing: RecoveryItem.Standing) {
        self =
            switch standing {
            case .missing: .missing
            case .present: .present
            case .blocked: .blocked
            case .passedOver: .passedOver
            }
    }
}
