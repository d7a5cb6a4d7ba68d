internal import ExactText
internal import FoundationEssentials
internal import ImageMapping
internal import LinuxKernel
internal import SystemPackage

/// An image whose lock this service took for the kernel's client; contains no secret.
struct HeldNote: Codable, Hashable, Sendable {
    let image: ImageAddress
    /// Its id, because the name may belong to another image later.
    let imageID: String
    /// The kernel's client, `10.0.0.7:0/123456`.
    let address: String
    /// The kernel has unmapped the image, and the lock must be released.
    var isUnmapped = false
    /// The boot in which it was taken; nothing from an earlier release.
    var bootID: String?
}

/// The locks that this service took for the kernel's clients, one small file each, so that a restarted service knows
/// them.
struct HeldNotes: Sendable {
    let directory: String

    func note(of image: ImageAddress) -> HeldNote? { read(path(of: image)) }

    func write(_ note: HeldNote) throws(KernelError) {
        try KernelFile.makeDirectories(directory)
        guard let bytes = try? JSONEncoder().encode(note) else {
            throw KernelError("encode", .invalidArgument, "\(note.image)")
        }
        // It must survive only a crash of the service: after a boot the kernel has nothing mapped.
        try KernelFile.replace(path(of: note.image), with: Array(bytes), isDurable: false)
    }

    func remove(_ image: ImageAddress) throws(KernelError) { try KernelFile.remove(path(of: image)) }

    /// Those of this boot: the kernel that had the others is no more, and whoever takes such an image next sees that.
    func all() -> [HeldNote] {
        let bootID = try? NodeIdentity.bootID()
        return ((try? KernelFile.names(in: directory)) ?? []).compactMap { name in
            guard let note = read("\(directory)/\(name)") else { return nil }
            guard let boot = note.bootID, let bootID, !boot.isExactly(bootID) else { return note }
            try? KernelFile.remove("\(directory)/\(name)")
            return nil
        }
    }

    private func read(_ path: String) -> HeldNote? {
        guard let bytes = try? KernelFile.bytes(path) else { return nil }
        return try? JSONDecoder().decode(HeldNote.self, from: Data(bytes))
    }

    private func path(of image: ImageAddress) -> String { "\(directory)/\(image.fileName).json" }
}
