internal import BlockDevices
internal import LinuxKernel

/// Saves the structures that a zap erases, without secrets, for a person who notices too late that it was a mistake.
///
/// The file is a line of JSON with the disk and the places, followed by their bytes in that order. OSD keys and lockbox
/// secrets are replaced by zeros; LUKS key slots are not saved.
struct HeaderBackup {
    let directory: String

    /// Writes one file; `nil` if there is nothing to save.
    func save(_ plan: ZapPlan, from disk: ClaimedDisk, hash: String) throws(KernelError) -> String? {
        guard !plan.headers.isEmpty else { return nil }
        let reader = try DiskReader(path: "/proc/self/fd/\(disk.io.descriptor.rawValue)")
        var bytes: [UInt8] = []
        for extent in plan.headers {
            var part = reader.bytes(at: extent.offset, count: Int(extent.length))
            part += [UInt8](repeating: 0, count: Int(extent.length) - part.count)
            bytes += SecretMask.masked(part)
        }
        let places = plan.headers.map { JSONValue.list([.size($0.offset), .size($0.length)]) }
        let index = JSONValue.fields([
            "format": "nacre-disk headers 1",
            "device": .text(plan.identity.name), "serial": .optional(plan.identity.serial),
            "proof": .text(plan.identity.proof), "size": .size(plan.identity.sizeBytes), "plan": .text(hash),
            "places": .list(places),
        ])
        try KernelFile.makeDirectories(directory)
        let path = "\(directory)/\(plan.identity.name)-\(hash.prefix(12)).headers"
        try KernelFile.replace(path, with: Array((index.compact + "\n").utf8) + bytes)
        return path
    }
}

extension JSONValue: ExpressibleByStringLiteral {
    /// Text.
    public init(stringLiteral value: String) { self = .text(value) }
}
