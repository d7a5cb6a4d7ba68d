public import BlockDevices
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
            "method": .text(method.name),
            "found": .list((inspection.contents?.regions ?? []).map(\.report)),
            "teardown": .list(teardown.map(\.report)),
            "ranges": .list(ranges.map { .list([.size($0.offset), .size($0.length)]) }),
        ])
    }

    /// The plan for scripts.
    public var report: JSONValue {
        .fields([
            "path": .text(path),
            "identity": identity.report,
            "links": .texts(inspection.links),
            "otherPaths": .texts(inspection.otherPaths.map(\.node.name)),
            "reservation": inspection.reservation.map(\.report) ?? .null,
            "hash": .text(hash),
            "method": .text(method.name),
            "guarantee": .text(method.guarantee),
            "owners": .list(owners.map(\.report)),
            "found": .list((inspection.contents?.regions ?? []).map(\.report)),
            "teardown": .list(teardown.map(\.report)),
            "ranges": .list(
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
            "refusals": .list(refusals.map(\.report)),
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
            "mapping": .text(mapping), "uuid": .text(uuid), "kind": .text(kind), "device": .text("\(device)"),
        ])
    }
}

extension Refusal {
    /// For scripts.
    public var report: JSONValue {
        .fields([
            "code": .text(code.rawValue), "message": .text(message), "remedy": .text(remedy),
            "canBeNamed": .bool(canBeNamed),
        ])
    }
}

extension ZapOutcome {
    /// For scripts.
    public var report: JSONValue {
        let (code, details): (String, [JSONValue]) =
            switch state {
            case .clean: ("clean", [])
            case .refused(let refusals): ("refused", refusals.map(\.report))
            case .interrupted: ("interrupted", [])
            case .failed(let reason): ("failed", [.text(reason)])
            case .leftovers(let found): ("leftovers", found.map(JSONValue.text))
            }
        return .fields([
            "path": .text(path), "identity": identity.report, "state": .text(code), "details": .list(details),
            "steps": .texts(steps), "bytesErased": .size(bytesErased), "bytesVerified": .size(bytesVerified),
            "milliseconds": .number(Int64(duration / .milliseconds(1))), "backup": .optional(backup),
        ])
    }
}
