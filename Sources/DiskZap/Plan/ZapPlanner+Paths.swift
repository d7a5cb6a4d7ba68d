internal import BlockDevices
internal import ExactText
internal import LinuxKernel

/// Disks that more than one node or more than one host leads to.
extension ZapPlanner {
    /// Who uses the disk through another node of it: the kernel takes the two for two disks.
    func pathRefusals(_ inspection: DiskInspection) -> [Refusal] {
        let name = inspection.node.name
        return inspection.otherPaths.flatMap { path -> [Refusal] in
            let other = path.node.name
            if named.contains(path.node.parent ?? other) {
                return [
                    Refusal(
                        .otherPath,
                        "'\(name)' and '\(other)' are one disk (\(Self.evidence(inspection.identity)))",
                        remedy: "name one of them"
                    )
                ]
            }
            return path.uses.map {
                Refusal(
                    .otherPath,
                    "'\(other)' is the same disk (\(Self.evidence(inspection.identity))), and \($0)",
                    remedy: "end that first, or name '\(path.node.path)' itself"
                )
            }
        }
    }

    /// Whoever has reserved the disk may be writing to it, on another host.
    func reservationRefusals(_ inspection: DiskInspection) -> [Refusal] {
        guard let reservation = inspection.reservation, reservation.kind != nil else { return [] }
        let tool =
            inspection.node.name.startsExactly(with: "nvme") ? "nvme resv-report" : "sg_persist --in --read-full-status"
        return [
            Refusal(
                .reserved,
                "'\(inspection.node.name)' is \(reservation.words): another host may use it",
                remedy: "have its holder release it, whom \(tool) tells"
            )
        ]
    }

    private static func evidence(_ identity: DiskIdentity) -> String {
        identity.worldWideName.map { "world-wide name \($0)" } ?? "serial number \(identity.serial ?? "?") and size"
    }
}
