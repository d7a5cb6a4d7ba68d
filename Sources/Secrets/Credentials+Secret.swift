internal import ExactText

/// Why a Secret names no Ceph user.
///
/// Holds nothing of what the Secret holds.
public struct CredentialsFault: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong and what to do, as part of a sentence: `'userKey' is missing or empty; …`.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension Credentials {
    /// Reads a ceph-csi Secret from a request, from Kubernetes or from a directory; the rules are the same for all.
    ///
    /// White space around either value is removed, because editors and `echo` add a line end. Of the key, only the part
    /// up to the padding is used, as Ceph does; a key that is wrapped or has no padding is corrected.
    ///
    /// - Parameters:
    ///   - userID: The Secret's value of `userID`; `nil` if it has none.
    ///   - userKey: The Secret's value of `userKey`; `nil` if it has none.
    /// - Throws: `CredentialsFault` if either is missing or empty, or if `userID` is not a user's name: it has the
    ///   prefix `client.`, a character that the kernel's parser treats specially, more than 128 bytes, or is a key.
    public init(userID: Secret?, userKey: Secret?) throws(CredentialsFault) {
        let name = userID.map(Self.trimmed) ?? []
        let key = userKey.map(Self.trimmed) ?? []
        for (value, field) in [(name, "userID"), (key, "userKey")] where value.isEmpty {
            throw CredentialsFault(
                "'\(field)' is missing or empty; give the Ceph user as userID and its key as userKey"
            )
        }
        guard let text = String(validating: name, as: UTF8.self), name.count <= Self.longestName,
            text.unicodeScalars.allSatisfy(Self.isOfName)
        else {
            throw CredentialsFault(
                "'userID' is no name of a Ceph user; give it as 'ceph auth ls' shows it behind 'client.'"
            )
        }
        // Messages and logs contain the user's name, so a key that was given as the name must not pass.
        guard !CephKey.isIn(text) else {
            throw CredentialsFault("what 'userID' holds looks like a key; were userID and userKey swapped?")
        }
        guard !text.startsExactly(with: "client.") else {
            throw CredentialsFault("'userID' starts with 'client.'; give the user without that prefix")
        }
        let read = CephKey.printed(key) ?? CephKey.armored(key) ?? key
        guard read.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            throw CredentialsFault(
                "'userKey' is more than one word; give what 'ceph auth get-key' prints, nothing else"
            )
        }
        self.init(userID: text, userKey: Secret(read))
    }

    private static let longestName = 128

    private static func trimmed(_ secret: Secret) -> [UInt8] {
        secret.withBytes { bytes in
            guard let first = bytes.firstIndex(where: { !CephKey.isSpace($0) }),
                let last = bytes.lastIndex(where: { !CephKey.isSpace($0) })
            else { return [] }
            return Array(bytes[first...last])
        }
    }

    /// Comma, slash and space are separators in the line that tells the kernel which user maps an image.
    private static func isOfName(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator: false
        default: scalar != "/" && scalar != ","
        }
    }
}
