internal import ExactText

/// `mkfsOptions` of a class: which options mkfs may get, parsed as mke2fs and mkfs.xfs parse them.
///
/// Options that are not known to be harmless are refused: those that name another device or a file of the node, that
/// make no file system, that overwrite data, or that let a damaged volume crash its node.
///
/// See: mke2fs(8) of e2fsprogs 1.47, mkfs.xfs(8) of xfsprogs 6.1; both programs' `getopt`.
public struct MkfsOptions: Sendable, Hashable {
    /// The arguments for mkfs; empty if the class gives no options.
    public let words: [String]
    /// The features of xfs that the class speaks of, by name: `reflink`.
    public let namedFeatures: Set<String>
    /// The smallest volume, in bytes, for which they can be used.
    public let smallestBytes: UInt64
    /// The largest, in whole MiB: a node could not do with more groups.
    public let largestBytes: UInt64

    /// Reads them.
    ///
    /// - Parameters:
    ///   - text: The class's words, separated by blanks.
    ///   - fileSystem: `ext4` or `xfs`.
    ///   - isMade: Whether the volume exists already. Options that an earlier release allowed, and that some nodes can do
    ///     with, are then accepted, because a PersistentVolume's cannot be changed.
    /// - Throws: `VolumeError` with `.invalidArgument` that names the option and the reason.
    public init(_ text: String, for fileSystem: String, isMade: Bool = false) throws(VolumeError) {
        let rules = fileSystem == "xfs" ? Self.xfs : Self.ext4
        let program = "mkfs.\(fileSystem)"
        let parsed = try ToolOptions(text, letters: rules.letters, of: program)
        for option in parsed.options {
            if let reason = rules.refused[option.letter] {
                throw .invalid("mkfsOptions '\(option.text.printable)' \(reason); leave it out")
            }
            guard let form = rules.allowed[option.letter] else {
                throw .invalid(
                    "mkfsOptions '\(option.text.printable)' is not one that may be given; leave it out"
                )
            }
            if let fault = form.fault(in: option.value ?? "") {
                throw .invalid("mkfsOptions '\(option.text.printable)' \(fault); correct it")
            }
        }
        let refusal = fileSystem == "xfs" ? Self.refusalXFS(parsed.options) : Self.refusalExt4(parsed.options)
        if !isMade, let refusal { throw .invalid("mkfsOptions \(refusal); correct mkfsOptions") }
        words = parsed.options.flatMap { option in ["-\(option.letter)"] + (option.value.map { [$0] } ?? []) }
        namedFeatures = Set(
            parsed.options.filter { ["m", "i", "n"].contains($0.letter) }
                .flatMap { ($0.value ?? "").parts(at: ",") }
                .map { String($0.prefix { $0 != "=" }) }
        )
        smallestBytes =
            fileSystem == "xfs" ? Self.smallestXFS(parsed.options) : Self.smallestExt4(parsed.options)
        let largest = fileSystem == "xfs" ? Self.largestXFS(parsed.options) : Self.largestExt4(parsed.options)
        let unit = CapacityRange.granularityBytes
        largestBytes = min(largest, CapacityRange.largestBytes) / unit * unit
    }

    /// What an option's value must look like.
    enum Form: Sendable {
        case flag
        case number
        case word
        case oneOf(Set<String>)
        /// A list of `name`, `name=value`, separated by commas.
        case list(Set<String>)

        func fault(in value: String) -> String? {
            guard value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !value.contains("/") else {
                return "names a file, or holds what is no letter, digit or sign"
            }
            switch self {
            case .flag: return nil
            case .number:
                return value.first?.isNumber == true && value.allSatisfy { $0.isNumber || $0.isLetter || $0 == "." }
                    ? nil : "is not a number"
            case .word: return value.isEmpty || value.startsExactly(with: "-") ? "has no value" : nil
            case .oneOf(let known):
                let others = value.parts(at: ",")
                    .filter { !known.contains($0) }
                return others.isEmpty
                    ? nil
                    : "has '\(others[0])', which is not one that may be given (\(known.sorted().joined(separator: ", ")))"
            case .list(let known):
                for part in value.parts(at: ",") {
                    let name = String(part.prefix { $0 != "=" })
                    guard known.contains(name) else {
                        return "has '\(name)', which is not one that may be given "
                            + "(\(known.sorted().joined(separator: ", ")))"
                    }
                }
                return nil
            }
        }
    }

    /// A program's options.
    struct Rules: Sendable {
        /// getopt's string.
        let letters: String
        let allowed: [Character: Form]
        /// Why not.
        let refused: [Character: String]
    }
}

extension ToolOptions.Option {
    /// Whether it has a sub-option of that name.
    func names(_ name: String) -> Bool { self[name] != nil }

    /// The value of a sub-option; empty for one without.
    subscript(name: String) -> String? { all(name).first }

    /// The values of a sub-option that stands there several times.
    func all(_ name: String) -> [String] {
        (value ?? "").parts(at: ",", omittingEmpty: true)
            .filter { $0.prefix { $0 != "=" } == name }
            .map { String($0.drop { $0 != "=" }.dropFirst()) }
    }

    /// The numbers of a sub-option, as mkfs reads them.
    func numbers(_ name: String) -> [ToolNumber] { all(name).compactMap(ToolNumber.init) }
}
