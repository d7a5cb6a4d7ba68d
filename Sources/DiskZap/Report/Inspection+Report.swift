public import BlockDevices
public import LinuxKernel

extension DiskInspection {
    /// For scripts.
    public var report: JSONValue {
        .fields([
            "name": .text(node.name),
            "path": .text(node.path),
            "identity": identity.report,
            "links": .texts(links),
            "rotational": .bool(node.queue.isRotational),
            "readOnly": .bool(node.isReadOnly),
            "removable": .bool(node.isRemovable),
            "discard": .bool(node.queue.discardMaxBytes > 0),
            "holders": .list(tree.dropFirst().map(\.report)),
            "mounts": .list(mounts.map { .fields(["device": .text($0.name), "mountPoint": .text($0.mountPoint)]) }),
            "swaps": .texts(swaps),
            "locked": .bool(isLocked),
            "otherPaths": .list(
                otherPaths.map { .fields(["device": .text($0.node.name), "uses": .texts($0.uses)]) }
            ),
            "reservation": reservation.map(\.report) ?? .null,
            "regions": .list((contents?.regions ?? []).map(\.report)),
            "table": contents.map(\.tableReport) ?? .null,
            "available": .bool(rejections.isEmpty),
            "rejections": .list(
                rejections.map { .fields(["judge": .text($0.judge.rawValue), "reason": .text($0.reason)]) }
            ),
            "failures": .texts(failures.map(\.description)),
            "bytesRead": .size(bytesRead),
        ])
    }
}

extension DeviceReservation {
    /// For scripts; keys as sg_persist shows them.
    public var report: JSONValue {
        .fields([
            "type": .optional(kind?.words), "holder": .optional(holder.map(Self.text)),
            "keys": .texts(keys.map(Self.text)),
        ])
    }
}

extension DiskIdentity {
    /// For scripts.
    public var report: JSONValue {
        .fields([
            "name": .text(name), "device": .text("\(device)"), "size": .size(sizeBytes),
            "sectorSize": .number(Int64(sectorBytes)), "model": .optional(model), "serial": .optional(serial),
            "wwn": .optional(worldWideName), "diskSequence": diskSequence.map(JSONValue.size) ?? .null,
            "backingFile": .optional(backingFile), "start": startBytes.map(JSONValue.size) ?? .null,
            "proof": .text(proof),
        ])
    }
}

extension BlockNode {
    var report: JSONValue {
        .fields([
            "name": .text(name), "device": .text("\(device)"), "size": .size(sizeBytes),
            "mapping": .optional(mapping?.name), "uuid": .optional(mapping?.uuid), "raid": .optional(raidLevel),
        ])
    }
}

extension Region {
    /// For scripts; contains no secret, because none was read.
    public var report: JSONValue {
        .fields([
            "region": .text(name),
            "extents": .list(extents.map { .list([.size($0.offset), .size($0.length)]) }),
            "whole": .bool(isWhole),
            "signatures": .list(
                signatures.map { signature in
                    .fields([
                        "format": .text(signature.format), "usage": .text(signature.usage.rawValue),
                        "offset": .size(signature.mark.offset),
                        "diskOffset": deviceOffset(of: signature.mark.offset).map(JSONValue.size) ?? .null,
                        "length": .size(signature.mark.length), "note": .optional(signature.mark.note),
                    ])
                }
            ),
            "owners": .list(owners.map(\.report)),
            "partition": partition.map { entry in
                .fields([
                    "type": .text(PartitionType.of(entry.type)?.name ?? entry.type.description),
                    "uuid": .text(entry.unique.description), "name": .text(entry.name),
                ])
            } ?? .null,
            "label": blueStore?.current.map(\.report) ?? .null,
            "group": .optional(physicalVolume?.group?.name),
            "tags": .object(
                (logicalVolume?.tags ?? [:]).sorted { $0.key < $1.key }.map {
                    JSONValue.Field(name: $0.key, value: .text($0.value))
                }
            ),
            "blankEdges": .bool(hasBlankEdges), "edgeChecksum": .size(UInt64(edgeChecksum)),
        ])
    }
}

extension BlueStoreLabel {
    var report: JSONValue {
        .fields([
            "osdUUID": .text(osdUUID), "role": .text(role), "size": .size(sizeBytes), "valid": .bool(isValid),
            "metadata": .object(
                metadata.sorted { $0.key < $1.key }.map {
                    JSONValue.Field(name: $0.key, value: .text($0.value))
                }
            ),
        ])
    }
}

extension OSDOwner {
    /// For scripts.
    public var report: JSONValue {
        .fields([
            "cluster": .optional(clusterID), "osd": osdID.map { .number(Int64($0)) } ?? .null,
            "osdUUID": .optional(osdUUID), "role": .text(role), "evidence": .text(evidence.rawValue),
        ])
    }

    /// For people: `osd.3 block of 5c8f…`.
    public var text: String {
        let osd = osdID.map { "osd.\($0)" } ?? osdUUID.map { "OSD \($0)" } ?? "an OSD"
        return "\(osd) \(role) of \(clusterID.map { "cluster \($0)" } ?? "an unknown cluster")"
    }
}

extension DeviceContents {
    /// The partition table for scripts.
    public var tableReport: JSONValue {
        guard let gpt = gpt ?? foreignGPT else {
            return mbr.map { .fields(["kind": $0.isProtective ? "PMBR" : "dos"]) } ?? .null
        }
        return .fields([
            "kind": "gpt", "sectorSize": .size(gpt.sectorBytes),
            "guid": .optional((gpt.current ?? gpt.primary).header?.diskGUID.description),
            "problems": .list(
                gpt.problems(mbr: mbr).map {
                    .fields(["part": .text($0.part), "problem": .text($0.text)])
                }
            ),
        ])
    }
}
