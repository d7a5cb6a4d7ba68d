internal import ExactText
internal import LinuxKernel
internal import SystemPackage
internal import Volumes

/// A mount that the kernel refused: an errno, and what it wrote to its log of the device.
struct MountFailure: Sendable {
    let error: KernelError
    /// What the kernel logged while it tried.
    let messages: [String]

    /// Tries; nothing when it is mounted.
    static func of(_ mount: () throws(KernelError) -> Void) -> MountFailure? {
        let log = KernelLog()
        do throws(KernelError) {
            try mount()
            return nil
        } catch {
            return MountFailure(error: error, messages: log?.messages() ?? [])
        }
    }

    /// Whether the file system may be why: not where the kernel, this process, the cluster or another holder of the
    /// device is.
    var mayBeDamage: Bool {
        let others: [Errno] = [
            .resourceBusy, .permissionDenied, .notPermitted, .readOnlyFileSystem, .operationNotSupportedByDevice,
            .noMemory, .interrupted, .timedOut,
        ]
        return !others.contains(error.errno)
    }

    /// Why, for a person: what the errno means of a mount, and the kernel's own words.
    ///
    /// - Parameters:
    ///   - fileSystem: `ext4` or `xfs`.
    ///   - options: Those that it was to be mounted with.
    ///   - device: `/dev/rbd0`.
    /// - Returns: A clause without a full stop.
    func reason(_ fileSystem: String, _ options: [String], _ device: String) -> String {
        "\(meaning(fileSystem, options))\(said(of: device)) (\(error.call): \(error.errnoName))"
    }

    /// What the kernel logged of the device, as `; the kernel said: …`; empty when it logged nothing.
    func said(of device: String) -> String {
        let name = device.behind("/dev/") ?? device
        // EXT4-fs (rbd0): …, XFS (rbd0): …
        let words = messages.filter { $0.contains("(\(name)):") || $0.contains("(\(name)) ") }.suffix(3)
        return words.isEmpty ? "" : "; the kernel said: \(words.joined(separator: "; "))"
    }

    /// Why the kernel does not take a file system that is sound: one of its mount options, or a feature that it was made
    /// with.
    ///
    /// - Parameters:
    ///   - fileSystem: `ext4` or `xfs`.
    ///   - flags: The class's mount options.
    ///   - mkfsOptions: What mkfs was told, if it was told something.
    ///   - device: `/dev/rbd0`.
    /// - Returns: A clause without a full stop.
    func refusedByKernel(_ fileSystem: String, _ flags: [String], _ mkfsOptions: String?, _ device: String) -> String {
        let kernel = KernelRelease.current.map { "kernel \($0)" } ?? "kernel"
        let options = "the mount options '\(flags.joined(separator: ",").printable)'"
        let feature =
            mkfsOptions.map { "a feature that it was made with, by mkfsOptions '\($0.printable)'" }
            ?? "a feature that it was made with"
        let next =
            "use the volume on a node whose kernel has the feature, or copy its data to a volume of a class "
            + "without it: a corrected class changes no volume that is there"
        let words =
            if flags.isEmpty {
                "this node's \(kernel) does not support \(feature); \(next)"
            } else if mkfsOptions == nil {
                "this node's \(kernel) does not take one of \(options); correct mountOptions of its class and, where "
                    + "there is one, of its PersistentVolume"
            } else {
                "this node's \(kernel) does not take one of \(options), or \(feature); if it is an option, correct "
                    + "mountOptions of its class and, where there is one, of its PersistentVolume; if it is a feature, \(next)"
            }
        return "\(words)\(said(of: device)) (\(error.call): \(error.errnoName))"
    }

    private func meaning(_ fileSystem: String, _ options: [String]) -> String {
        switch error.errno {
        case .operationNotSupportedByDevice:
            "the kernel of this node has no \(fileSystem); load it there: modprobe \(fileSystem)"
        case .permissionDenied, .notPermitted:
            "this service may not mount; it needs CAP_SYS_ADMIN in the host's namespaces (a privileged container)"
        case .readOnlyFileSystem:
            "its device takes no writes; stage it read-only, or see why the image is (rbd info, rbd lock ls)"
        case .invalidArgument:
            "the kernel does not take its mount options\(options.isEmpty ? "" : " '\(options.joined(separator: ","))'"), or a "
                + "feature that the \(fileSystem) was made with; see its mountOptions and mkfsOptions"
        case .noMemory: "the kernel has no memory for it"
        case .resourceBusy: "its device is in use here, by a mount or another holder"
        case .ioError: "its device cannot be read or written; look at 'ceph health detail' and at the node's kernel log"
        default: "the kernel refuses it"
        }
    }
}
