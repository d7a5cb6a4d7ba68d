internal import JSON

/// A member of a message that is not valid, and why.
package struct FieldError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Where it is: `volumeCapabilities[1].accessMode.mode`; empty for the message itself.
    package private(set) var path: String
    /// What is wrong with it; holds nothing of a secret.
    package let problem: String

    /// States a problem with the value at hand.
    package init(_ problem: String, at path: String = "") {
        self.path = path
        self.problem = problem
    }

    /// The same problem, seen from the message or array that holds the value.
    func inside(_ name: String) -> FieldError {
        FieldError(problem, at: path.isEmpty || path.first == "[" ? name + path : "\(name).\(path)")
    }

    /// Where no key belongs; it is not known how far the text would travel.
    static let holdsKey = FieldError(
        "holds a cephx key, which belongs in 'secrets' alone; rotate it where others saw it"
    )

    static func expected(_ what: String, found value: JSONValue) -> FieldError {
        FieldError("expected \(what), found \(value.kind)")
    }

    /// Path and problem, for a person.
    package var description: String { path.isEmpty ? problem : "\(path): \(problem)" }
}
