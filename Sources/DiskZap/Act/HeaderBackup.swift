internal import BlockDevices
internal import JSON
internal import LinuxKernel

/// Saves the structures that a zap erases, without secrets, for a person who notices too late that it was a mistake.
///
/// The file is a line of JSON with the disk and the places, followed by their bytes in that order. OSD keys and lockbox
/// secrets are replaced by zeros; LUKS key slots are not saved.
public struct HeaderBackup: Sendable {
    let directory: String

    /// Finds out, before anything is erased, whether files can be made in the directory; makes it if it is not there.
    ///
    /// - Parameter directory: Where the headers are to be saved.
    /// - Throws: `Refusal` that says why they cannot.
    public init(directory: String) throws(Refusal) {
        self.directory = directory
        let probe = "\(directory)/.nacre-disk-\(UInt32.random(in: 0...UInt32.max))"
        do throws(KernelError) {
            try KernelFile.makeDirectories(directory)
            try KernelFile.create(probe, with: [0])
            try KernelFile.remove(probe)
        } catch {
            throw refusal(error)
        }
    }

    /// Writes one file; `nil` if there is nothing to save.
    func save(_ plan: ZapPlan, from disk: ClaimedDisk, hash: String) throws -> String? {
        guard !plan.headers.isEmpty else { return nil }
        let reader = try DiskReader(path: "/proc/self/fd/\(disk.io.descriptor.rawValue)")
        var bytes: [UInt8] = []
        for extent in plan.headers {
            var part = reader.bytes(at: extent.offset, count: Int(extent.length))
            part += [UInt8](repeating: 0, count: Int(extent.length) - part.count)
            bytes += SecretMask.masked(part)
        }
        let places = plan.headers.map { JSONValue.array([.size($0.offset), .size($0.length)]) }
        let index = JSONValue.fields([
            "format": .string("nacre-disk headers 1"),
            "device": .string(plan.identity.name), "serial": .optional(plan.identity.serial),
            "proof": .string(plan.identity.proof), "size": .size(plan.identity.sizeBytes), "plan": .string(hash),
            "places": .array(places),
        ])
        do throws(KernelError) {
            return try write(Array((index.compact + "\n").utf8) + bytes, "\(plan.identity.name)-\(hash.prefix(12))")
        } catch {
            throw refusal(error)
        }
    }

    /// Writes a new file; one that an earlier zap left may be all that is left of what it erased.
    private func write(_ bytes: [UInt8], _ name: String) throws(KernelError) -> String {
        var number = 1
        while true {
            let path = "\(directory)/\(name)\(number == 1 ? "" : "-\(number)").headers"
            do throws(KernelError) {
                try KernelFile.create(path, with: bytes)
                return path
            } catch {
                guard error.isAlreadyThere, number < 1000 else { throw error }
                if case .file? = try? FileKind.of(path), (try? KernelFile.bytes(path)) == bytes { return path }
                number += 1
            }
        }
    }

    private func refusal(_ error: KernelError) -> Refusal {
        Refusal(
            .backup,
            "its headers cannot be saved to '\(directory)': \(error.words)",
            remedy: "mend that, name another directory by --backup, or leave it out"
        )
    }
}
