internal import LinuxKernel
internal import Volumes

/// What a class may say to mkfs and mount; the rest is passed on as ceph-csi does.
enum FileSystemOptions {
    /// Says why a mount option cannot be had, or nothing when it can.
    ///
    /// Refused is what names another device or file of the node, what is no property of one mount, and what lets a damaged
    /// volume take its node down. `dev` and `suid` are Kubernetes' defaults and stay.
    static func refusal(ofMountFlags flags: [String]) -> String? {
        for option in flags.flatMap({ $0.split(separator: ",") }) {
            let name = String(option.prefix { $0 != "=" })
            if other.contains(name) {
                return
                    "mount option '\(String(option).printable)' names another device or file; remove it from the class"
            }
            if notOfOneMount.contains(name) {
                return "mount option '\(String(option).printable)' is none of a volume's; remove it from the class"
            }
            if option == "errors=panic" {
                return
                    "mount option 'errors=panic' would take the node down with a damaged volume; use errors=remount-ro in the class"
            }
        }
        return nil
    }

    private static let other: Set<String> = [
        "journal_dev", "journal_path", "logdev", "rtdev", "usrjquota", "grpjquota", "loop", "offset", "sizelimit",
    ]
    private static let notOfOneMount: Set<String> = [
        "bind", "rbind", "move", "remount", "private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable",
        "runbindable",
    ]

    /// The words for mkfs but the device, or an error that says which of `given` cannot be had.
    ///
    /// - Parameters:
    ///   - fileSystem: `ext4` or `xfs`.
    ///   - given: `mkfsOptions` of the class; they take the place of the defaults.
    ///   - kernel: The kernel's release, `5.10.0-21-amd64`.
    /// - Returns: The words.
    /// - Throws: `VolumeError` with `.invalidArgument`.
    static func mkfsArguments(
        _ fileSystem: String,
        given: String?,
        kernel: String
    ) throws(VolumeError) -> [String] {
        var words = (given ?? "").split(separator: " ").map(String.init)
        for (index, word) in words.enumerated() {
            let isOther =
                word.contains("/") || ["device=", "logdev=", "rtdev=", "name="].contains(where: word.contains)
            // mke2fs -d copies a directory of the node, -p of mkfs.xfs reads a file, -z writes one.
            let isFile = fileSystem == "ext4" ? ["-d", "-z"] : ["-p", "-c"]
            guard !isOther, !isFile.contains(where: word.hasPrefix) else {
                throw .invalid("mkfsOptions name another device or file, '\(word.printable)'; remove it from the class")
            }
            // What only shows what it would do, or writes super blocks alone, leaves a volume without a file system.
            let isDry = fileSystem == "ext4" ? ["-n", "-S"] : ["-N"]
            let isValue = index > 0 && words[index - 1].count == 2 && words[index - 1].hasPrefix("-")
            guard isValue || !isDry.contains(word) else {
                throw .invalid("mkfsOptions '\(word.printable)' makes no file system; remove it from the class")
            }
        }
        if words.isEmpty {
            // The image is blank, so there is nothing to discard, and zeros need not be written again.
            words = fileSystem == "ext4" ? ["-m0", "-Enodiscard,lazy_itable_init=1,lazy_journal_init=1"] : ["-K"]
        }
        if fileSystem == "xfs", !canReflink(kernel), !words.contains(where: { $0.contains("reflink=") }) {
            words += ["-m", "reflink=0"]
        }
        return words
    }

    /// Kernels before 4.16 have reflink in xfs as an experiment, or not at all, and then refuse to mount.
    static func canReflink(_ release: String) -> Bool {
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else { return true }
        return numbers[0] > 4 || numbers[0] == 4 && numbers[1] >= 16
    }
}
