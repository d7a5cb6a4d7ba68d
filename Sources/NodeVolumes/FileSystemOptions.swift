internal import Volumes

/// What is said to mkfs.
enum FileSystemOptions {
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
        let options = try MkfsOptions(given ?? "", for: fileSystem)
        var words = options.words
        if words.isEmpty {
            // The image is blank, so there is nothing to discard, and zeros need not be written again.
            words = fileSystem == "ext4" ? ["-m0", "-Enodiscard,lazy_itable_init=1,lazy_journal_init=1"] : ["-K"]
        }
        if fileSystem == "xfs", !canReflink(kernel), !options.namesReflink { words += ["-m", "reflink=0"] }
        return words
    }

    /// Kernels before 4.16 have reflink in xfs as an experiment, or not at all, and then refuse to mount.
    static func canReflink(_ release: String) -> Bool {
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else { return true }
        return numbers[0] > 4 || numbers[0] == 4 && numbers[1] >= 16
    }
}
