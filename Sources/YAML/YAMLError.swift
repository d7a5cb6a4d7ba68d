/// A text that is not YAML, or that uses what is not taken here: where, and why.
package struct YAMLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// From 1.
    package let line: Int
    /// What is wrong there; holds nothing of the document.
    package let reason: String

    /// For a person.
    package var description: String { "invalid YAML in line \(line): \(reason)" }
}
