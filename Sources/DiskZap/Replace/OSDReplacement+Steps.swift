internal import BlockDevices
internal import ExactText
package import JSON

/// The commands that put a new disk in the place of the failed one, for each way to run Ceph.
extension OSDReplacement {
    /// Who makes OSDs.
    public enum Tool: String, Sendable, CaseIterable {
        /// Hosts whose OSDs ceph-volume made.
        case cephVolume = "ceph-volume"
        /// Clusters of cephadm.
        case cephadm
        /// Clusters of Rook.
        case rook
    }

    /// A step: what it is for, and the command.
    public struct Step: Sendable, Hashable {
        /// What it does, in a few words.
        public let purpose: String
        /// The command.
        public let command: String
    }

    /// The steps in order.
    ///
    /// - Parameters:
    ///   - tool: Who makes OSDs.
    ///   - device: The new disk.
    /// - Returns: The steps; each can be repeated.
    public func steps(_ tool: Tool, device: String) -> [Step] {
        guard let id = owner.osdID else { return [] }
        return [Step(purpose: "stop it, if it still runs", command: stop(tool, id))]
            + forget(tool, id) + places.map(clean(tool)) + make(tool, id, device)
    }

    /// One companion for each place: a volume that lies on several disks is found on each of them.
    private var places: [Companion] {
        var seen: Set<[String]> = []
        return companions.filter { seen.insert([$0.role, $0.place]).inserted }
    }

    private func stop(_ tool: Tool, _ id: Int) -> String {
        switch tool {
        case .cephVolume: "systemctl stop ceph-osd@\(id)"
        case .cephadm: "ceph orch daemon stop osd.\(id)"
        case .rook: "kubectl -n rook-ceph scale deployment rook-ceph-osd-\(id) --replicas=0"
        }
    }

    /// A destroyed OSD keeps its number and its place in the CRUSH map; a purged one keeps neither.
    private func forget(_ tool: Tool, _ id: Int) -> [Step] {
        let isSafe = Step(purpose: "see whether no data needs it", command: "ceph osd safe-to-destroy osd.\(id)")
        switch tool {
        case .cephVolume, .cephadm:
            return [
                isSafe,
                Step(
                    purpose: "have the cluster keep its number and its place in the CRUSH map",
                    command: "ceph osd destroy osd.\(id) --yes-i-really-mean-it"
                ),
            ]
        case .rook:
            return [
                isSafe,
                Step(
                    purpose:
                        "free its number: Rook's new OSD gets the lowest free one, in the node's place in the CRUSH map",
                    command: "ceph osd purge osd.\(id) --yes-i-really-mean-it"
                ),
                Step(
                    purpose: "have Rook make its deployment again",
                    command: "kubectl -n rook-ceph delete deployment rook-ceph-osd-\(id)"
                ),
            ]
        }
    }

    /// What is cleaned stays as it is for the next OSD: the volume with its size, the partition with its entry.
    private func clean(_ tool: Tool) -> (Companion) -> Step {
        { companion in
            let purpose = "clean its \(companion.role) and keep the \(companion.isVolume ? "volume" : "partition")"
            let place = companion.place.shellWord
            let zap = "ceph-volume lvm zap \(place)"
            guard companion.isVolume else {
                let consent =
                    owner.clusterID.map { "--fsid \($0.shellWord)" }
                    ?? "--unknown-osd \((owner.osdUUID ?? "").shellWord)"
                return Step(purpose: purpose, command: "nacre-disk zap \(place) \(consent)")
            }
            return Step(purpose: purpose, command: tool == .cephadm ? "cephadm \(zap)" : zap)
        }
    }

    private func make(_ tool: Tool, _ id: Int, _ device: String) -> [Step] {
        var words = "ceph-volume lvm prepare --bluestore --data \(device.shellWord) --osd-id \(id)"
        for companion in places { words += " --block.\(companion.role) \(companion.place.shellWord)" }
        if isEncrypted { words += " --dmcrypt" }
        if let deviceClass { words += " --crush-device-class \(deviceClass.shellWord)" }
        switch tool {
        case .cephVolume:
            return [
                Step(purpose: "make the new OSD with the old number", command: words),
                Step(purpose: "start it", command: "ceph-volume lvm activate --all"),
            ]
        case .cephadm:
            return [
                Step(purpose: "make the new OSD with the old number", command: "cephadm \(words)"),
                Step(purpose: "have cephadm run it", command: "ceph cephadm osd activate $(hostname -s)"),
            ]
        case .rook:
            // YAML's quoted texts are those of JSON.
            var parts = ["- name: \(JSONValue.string(device).compact)"]
            if let db = places.first(where: { $0.role == "db" }) {
                let path = db.isVolume ? "/dev/\(db.place)" : db.place
                parts.append("  config: {metadataDevice: \(JSONValue.string(path).compact)}")
            }
            return [
                Step(
                    purpose: "name the new disk in the CephCluster, under storage.nodes[].devices",
                    command: parts.joined(separator: "\n")
                ),
                Step(
                    purpose: "have Rook look for disks now",
                    command: "kubectl -n rook-ceph rollout restart deployment rook-ceph-operator"
                ),
            ]
        }
    }

    /// What a person has to know before.
    public var warnings: [String] {
        var warnings = keys.facts
        for companion in companions where !companion.neighbours.isEmpty {
            warnings.append(
                "\(companion.disk) also carries \(companion.neighbours.joined(separator: "; ")): never zap the whole disk"
            )
        }
        warnings += unnamed.map { "\($0), which no command can be told by name: see to it by hand" }
        if companions.isEmpty, unnamed.isEmpty {
            warnings.append("no db or wal of it was found on this host's other disks")
        }
        return warnings
    }

    /// For scripts.
    package func report(_ tool: Tool, device: String) -> JSONValue {
        .fields([
            "owner": owner.report, "encrypted": .bool(isEncrypted), "deviceClass": .optional(deviceClass),
            "companions": .array(
                companions.map {
                    .fields([
                        "role": .string($0.role), "place": .string($0.place), "volume": .bool($0.isVolume),
                        "disk": .string($0.disk), "neighbours": .texts($0.neighbours),
                    ])
                }
            ),
            "steps": .array(
                steps(tool, device: device).map {
                    .fields(["purpose": .string($0.purpose), "command": .string($0.command)])
                }
            ),
            "warnings": .texts(warnings),
        ])
    }
}
