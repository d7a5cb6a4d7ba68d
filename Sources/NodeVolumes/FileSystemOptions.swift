internal import Volumes

/// What is said to mkfs.
enum FileSystemOptions {
    /// The arguments for mkfs without the device, or an error that names the option that is not allowed.
    ///
    /// - Parameters:
    ///   - fileSystem: `ext4` or `xfs`.
    ///   - given: `mkfsOptions` of the class; they replace the defaults.
    ///   - kernel: The kernel's release, `5.10.0-21-amd64`.
    /// - Returns: The words.
    /// - Throws: `VolumeError` with `.invalidArgument`.
    static func mkfsArguments(
        _ fileSystem: String,
        given: String?,
        kernel: String
    ) throws(VolumeError) -> [String] {
        let options = try MkfsOptions(given ?? "", for: fileSystem)
        var words = options.words
        if words.isEmpty {
            // The image is blank, so nothing needs to be discarded, and zeros need not be written.
            words = fileSystem == "ext4" ? ["-m0", "-Enodiscard,lazy_itable_init=1,lazy_journal_init=1"] : ["-K"]
        }
        if fileSystem == "xfs", !canReflink(kernel), !options.namesReflink { words += ["-m", "reflink=0"] }
        return words
    }

    /// Kernels before 4.16 support reflink in xfs only as an experiment or not at all, and may refuse the mount.
    static func canReflink(_ release: String) -> Bool {
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else { return true }
        return numbers[0] > 4 || numbers[0] == 4 && numbers[1] >= 16
    }
}
