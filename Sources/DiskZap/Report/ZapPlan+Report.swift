public import BlockDevices
package import JSON
internal import LinuxKernel

extension ZapPlan {
    /// A hash of everything that the plan says about the device and about what will be done.
    ///
    /// A script that has seen a plan gives its hash to `zap`, which refuses if anything has changed since.
    public var hash: String { SHA256.hexadecimal(essence.compact) }

    /// What the hash covers.
    private var essence: JSONValue {
        .fields([
            "identity": identity.report,
            "otherPaths": .texts(inspection.otherPaths.map(\.node.name)),
            "method": .string(method.name),
            "found": .array((inspection.contents?.regions ?? []).map(\.report)),
            "teardown": .array(teardown.map(\.report)),
            "ranges": .array(ranges.map { .array([.size($0.offset), .size($0.length)]) }),
        ])
    }

    /// The plan for scripts.
    package var report: JSONValue {
        .fields([
            "path": .string(path),
            "identity": identity.report,
            "links": .texts(inspection.links),
            "otherPaths": .texts(inspection.otherPaths.map(\.node.name)),
            "reservation": inspection.reservation.map(\.report) ?? .null,
            "hash": .string(hash),
            "method": .string(method.name),
            "guarantee": .string(method.guarantee),
            "owners": .array(owners.map(\.report)),
            "found": .array((inspection.contents?.regions ?? []).map(\.report)),
            "teardown": .array(teardown.map(\.report)),
            "ranges": .array(
                ranges.map { range in
                    .fields([
                        "offset": .size(range.offset), "length": .size(range.length),
                        "why": .texts(reasons(for: range)),
                    ])
                }
            ),
            "bytesToErase": .size(bytesToErase),
            "resumed": .bool(isResumed),
            "warnings": .texts(warnings),
            "refusals": .array(refusals.map(\.report)),
        ])
    }

    /// Why a range is erased.
    public func reasons(for range: ByteExtent) -> [String] {
        reasons.filter { $0.extent.intersection(range) != nil }.map(\.reason).uniqued()
    }
}

extension TeardownStep {
    var report: JSONValue {
        .fields([
            "mapping": .string(mapping), "uuid": .string(uuid), "kind": .string(kind), "device": .string("\(device)"),
        ])
    }
}

extension Refusal {
    /// For scripts.
    package var report: JSONValue {
        .fields([
            "code": .string(code.rawValue), "message": .string(message), "remedy": .string(remedy),
            "canBeNamed": .bool(canBeNamed),
        ])
    }
}

extension ZapOutcome {
    /// For scripts.
    package var report: JSONValue {
        let (code, details): (String, [JSONValue]) =
            switch state {
            case .clean: ("clean", [])
            case .refused(let refusals): ("refused", refusals.map(\.report))
            case .interrupted: ("interrupted", [])
            case .failed(let reason): ("failed", [.string(reason)])
            case .leftovers(let found): ("leftovers", found.map(JSONValue.string))
            }
        return .fields([
            "path": .string(path), "identity": identity.report, "state": .string(code), "details": .array(details),
            "steps": .texts(steps), "bytesErased": .size(bytesErased), "bytesVerified": .size(bytesVerified),
            "milliseconds": .integer(Int64(duration / .milliseconds(1))), "backup": .optional(backup),
        ])
    }
}
