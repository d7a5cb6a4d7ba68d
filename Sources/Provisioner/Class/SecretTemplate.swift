internal import ExactText
internal import Volumes

/// The name of a Secret and its namespace.
package struct SecretReference: Sendable, Hashable, CustomStringConvertible {
    /// The Secret's name.
    package var name: String
    /// The Secret's namespace.
    package var namespace: String

    /// Names a Secret.
    package init(name: String, namespace: String) {
        self.name = name
        self.namespace = namespace
    }

    /// `namespace/name`.
    package var description: String { "\(namespace)/\(name)" }
}

/// A pair of StorageClass parameters that names a Secret, with `${…}` for values of the claim.
///
/// See: external-provisioner `getSecretReference`.
struct SecretTemplate: Sendable, Hashable {
    var nameKey: String
    var namespaceKey: String
    var name: String
    var namespace: String

    /// What the tokens stand for.
    struct Values: Sendable {
        var volumeName: String
        var claimNamespace: String
        var claimName: String
        var claimAnnotations: [String: String]
    }

    func resolved(_ values: Values) throws(VolumeError) -> SecretReference {
        let inNamespace = ["pv.name": values.volumeName, "pvc.namespace": values.claimNamespace]
        var inName = inNamespace
        inName["pvc.name"] = values.claimName
        for (key, value) in values.claimAnnotations { inName["pvc.annotations['\(key)']"] = value }
        return try reference(inName, inNamespace)
    }

    /// The Secret without a claim; tokens are an error.
    func resolvedWithoutClaim() throws(VolumeError) -> SecretReference { try reference([:], [:]) }

    /// The Secret with these values for tokens in its name and in its namespace's.
    func reference(
        _ inName: [String: String],
        _ inNamespace: [String: String]
    ) throws(VolumeError) -> SecretReference {
        let namespace = try Self.replaced(namespaceKey, self.namespace, inNamespace)
        let name = try Self.replaced(nameKey, self.name, inName)
        guard DNSName.isLabel(namespace) else {
            throw .invalid("parameter \(namespaceKey) gives '\(namespace.printable)', which is no namespace's name")
        }
        guard DNSName.isSubdomain(name) else {
            throw .invalid("parameter \(nameKey) gives '\(name.printable)', which is no Secret's name")
        }
        return SecretReference(name: name, namespace: namespace)
    }

    private static func replaced(
        _ key: String,
        _ template: String,
        _ values: [String: String]
    ) throws(VolumeError) -> String {
        var result = ""
        var rest = Substring(template)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            // `$$` is one dollar, as in Kubernetes' own templates.
            if rest.first == "$" {
                result += "$"
                rest.removeFirst()
                continue
            }
            guard rest.first == "{", let end = rest.firstIndex(of: "}") else {
                result += "$"
                continue
            }
            let token = String(rest[rest.index(after: rest.startIndex)..<end])
            guard let value = values[token] else {
                let known = values.keys.filter { !$0.contains("'") }.sorted().map { "${\($0)}" }.joined(separator: ", ")
                throw .invalid("parameter \(key) holds ${\(token.printable)}, which stands for nothing; \(known) do")
            }
            result += value
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}

/// Kubernetes' rules for names.
enum DNSName {
    /// RFC 1123's label: at most 63 lower-case letters, digits and hyphens, no hyphen at either end.
    static func isLabel(_ text: some StringProtocol) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), bytes.first != UInt8(ascii: "-"), bytes.last != UInt8(ascii: "-") else {
            return false
        }
        return bytes.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        }
    }

    /// RFC 1123's subdomain: labels between dots, at most 253 bytes.
    static func isSubdomain(_ text: String) -> Bool {
        text.utf8.count <= 253
            && text.parts(at: ".").allSatisfy { isLabel($0) }
    }
}
