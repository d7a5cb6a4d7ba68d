/// A text that is not YAML, or that uses an unsupported feature: where, and why.
package struct YAMLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// From 1.
    package let line: Int
    /// What is wrong there; contains no text of the document.
    package let reason: String

    /// For a person.
    package var description: String { "invalid YAML in line \(line): \(reason)" }
}
