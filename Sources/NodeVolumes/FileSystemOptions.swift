internal import ExactText
internal import Volumes

/// What is said to mkfs.
enum FileSystemOptions {
    /// The features that mkfs.xfs gave by itself when Linux 6.1 was new, in the installed mkfs.xfs's own words.
    static let oldFeatures = "/usr/share/xfsprogs/mkfs/lts_6.1.conf"

    /// The arguments for mkfs without the device, or an error that names the option that is not allowed.
    ///
    /// - Parameters:
    ///   - fileSystem: `ext4` or `xfs`.
    ///   - given: `mkfsOptions` of the class; they replace the defaults.
    ///   - kernel: The kernel's release, `5.10.0-21-amd64`.
    ///   - features: The text of `oldFeatures`; empty where mkfs.xfs has no such file.
    /// - Returns: The words.
    /// - Throws: `VolumeError` with `.invalidArgument`.
    static func mkfsArguments(
        _ fileSystem: String,
        given: String?,
        kernel: String,
        features: String
    ) throws(VolumeError) -> [String] {
        let options = try MkfsOptions(given ?? "", for: fileSystem, isMade: true)
        var words = options.words
        if words.isEmpty {
            // The image is blank, so nothing needs to be discarded, and zeros need not be written.
            words = fileSystem == "ext4" ? ["-m0", "-Enodiscard,lazy_itable_init=1,lazy_journal_init=1"] : ["-K"]
        }
        guard fileSystem == "xfs" else { return words }
        if !canReflink(kernel), !options.namedFeatures.contains("reflink") { words += ["-m", "reflink=0"] }
        for feature in newFeatures(features) where !options.namedFeatures.contains(feature.name) {
            words += [feature.option, "\(feature.name)=0"]
        }
        return words
    }

    /// What newer mkfs.xfs turn on by themselves and did not in Linux 6.1's days, as far as this one knows it.
    ///
    /// A volume may move to a node whose kernel or whose xfs_repair is older, and would refuse it there.
    ///
    /// See: mkfs.xfs(8) of xfsprogs 6.13 (nrext64, rmapbt) and 7.2 (exchange, parent as well).
    static func newFeatures(_ text: String) -> [(option: String, name: String)] {
        let sections = [
            "[metadata]": ("-m", ["rmapbt", "metadir"]), "[inode]": ("-i", ["nrext64", "exchange"]),
            "[naming]": ("-n", ["parent"]),
        ]
        var found: [(option: String, name: String)] = []
        var section: (option: String, names: [String])?
        for line in text.parts(at: "\n") {
            if line.startsExactly(with: "[") { section = sections[line] }
            guard let section else { continue }
            for name in section.names where line == "\(name)=0" { found.append((section.option, name)) }
        }
        return found
    }

    /// Kernels before 4.16 support reflink in xfs only as an experiment or not at all, and may refuse the mount.
    static func canReflink(_ release: String) -> Bool {
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        guard numbers.count == 2 else { return true }
        return numbers[0] > 4 || numbers[0] == 4 && numbers[1] >= 16
    }
}
