public import BlockDevices
package import JSON
package import LinuxKernel

extension DiskInspection {
    /// For scripts.
    package var report: JSONValue {
        .fields([
            "name": .string(node.name),
            "path": .string(node.path),
            "identity": identity.report,
            "links": .texts(links),
            "rotational": .bool(node.queue.isRotational),
            "readOnly": .bool(node.isReadOnly),
            "removable": .bool(node.isRemovable),
            "discard": .bool(node.queue.discardMaxBytes > 0),
            "holders": .array(tree.dropFirst().map(\.report)),
            "mounts": .array(
                mounts.map { .fields(["device": .string($0.name), "mountPoint": .string($0.mountPoint)]) }
            ),
            "swaps": .texts(swaps),
            "locked": .bool(isLocked),
            "otherPaths": .array(
                otherPaths.map { .fields(["device": .string($0.node.name), "uses": .texts($0.uses)]) }
            ),
            "reservation": reservation.map(\.report) ?? .null,
            "regions": .array((contents?.regions ?? []).map(\.report)),
            "table": contents.map(\.tableReport) ?? .null,
            "available": .bool(rejections.isEmpty),
            "rejections": .array(
                rejections.map {
                    .fields([
                        "judge": .string($0.judge.rawValue), "reason": .string($0.reason),
                        "since": $0.since.map { .integer(Int64($0)) } ?? .null,
                    ])
                }
            ),
            "failures": .texts(failures.map(\.description)),
            "bytesRead": .size(bytesRead),
        ])
    }
}

extension DeviceReservation {
    /// For scripts; keys as sg_persist shows them.
    package var report: JSONValue {
        .fields([
            "type": .optional(kind?.words), "holder": .optional(holder.map(Self.text)),
            "keys": .texts(keys.map(Self.text)),
        ])
    }
}

extension DiskIdentity {
    /// For scripts.
    package var report: JSONValue {
        .fields([
            "name": .string(name), "device": .string("\(device)"), "size": .size(sizeBytes),
            "sectorSize": .integer(Int64(sectorBytes)), "model": .optional(model), "serial": .optional(serial),
            "wwn": .optional(worldWideName), "diskSequence": diskSequence.map(JSONValue.size) ?? .null,
            "backingFile": .optional(backingFile), "start": startBytes.map(JSONValue.size) ?? .null,
            "proof": .string(proof),
        ])
    }
}

extension BlockNode {
    var report: JSONValue {
        .fields([
            "name": .string(name), "device": .string("\(device)"), "size": .size(sizeBytes),
            "mapping": .optional(mapping?.name), "uuid": .optional(mapping?.uuid), "raid": .optional(raidLevel),
        ])
    }
}

extension Region {
    /// For scripts; contains no secret, because none was read.
    package var report: JSONValue {
        .fields([
            "region": .string(name),
            "extents": .array(extents.map { .array([.size($0.offset), .size($0.length)]) }),
            "whole": .bool(isWhole),
            "signatures": .array(
                signatures.map { signature in
                    .fields([
                        "format": .string(signature.format), "usage": .string(signature.usage.rawValue),
                        "offset": .size(signature.mark.offset),
                        "diskOffset": deviceOffset(of: signature.mark.offset).map(JSONValue.size) ?? .null,
                        "length": .size(signature.mark.length), "note": .optional(signature.mark.note),
                    ])
                }
            ),
            "owners": .array(owners.map(\.report)),
            "partition": partition.map { entry in
                .fields([
                    "type": .string(PartitionType.of(entry.type)?.name ?? entry.type.description),
                    "uuid": .string(entry.unique.description), "name": .string(entry.name),
                ])
            } ?? .null,
            "label": blueStore?.current.map(\.report) ?? .null,
            "group": .optional(physicalVolume?.group?.name),
            "tags": .sorted(logicalVolume?.tags ?? [:]),
            "blankEdges": .bool(hasBlankEdges), "edgeChecksum": .size(UInt64(edgeChecksum)),
        ])
    }
}

extension BlueStoreLabel {
    var report: JSONValue {
        .fields([
            "osdUUID": .string(osdUUID), "role": .string(role), "size": .size(sizeBytes), "valid": .bool(isValid),
            "metadata": .sorted(metadata),
        ])
    }
}

extension OSDOwner {
    /// For scripts.
    package var report: JSONValue {
        .fields([
            "cluster": .optional(clusterID), "osd": osdID.map { .integer(Int64($0)) } ?? .null,
            "osdUUID": .optional(osdUUID), "role": .string(role), "evidence": .string(evidence.rawValue),
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
    package var tableReport: JSONValue {
        guard let gpt = gpt ?? foreignGPT else {
            return mbr.map { .fields(["kind": .string($0.isProtective ? "PMBR" : "dos")]) } ?? .null
        }
        return .fields([
            "kind": .string("gpt"), "sectorSize": .size(gpt.sectorBytes),
            "guid": .optional((gpt.current ?? gpt.primary).header?.diskGUID.description),
            "problems": .array(
                gpt.problems(mbr: mbr).map {
                    .fields(["part": .string($0.part), "problem": .string($0.text)])
                }
            ),
        ])
    }
}
