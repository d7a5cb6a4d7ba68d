internal import ExactText
package import JSON
internal import OrderedCollections

extension JSONValue {
    /// YAML: blocks, with every text in double quotes as in JSON.
    ///
    /// Written here and not by the room `YAML`: this program links no library, so not libyaml either.
    package var yaml: String { yamlLines().joined(separator: "\n") }

    private func yamlLines() -> [String] {
        switch self {
        case .array(let values) where !values.isEmpty:
            return values.flatMap { Self.hanging("- ", $0.yamlLines()) }
        case .object(let members) where !members.isEmpty:
            return members.flatMap { (name, value) -> [String] in
                let lines = value.yamlLines()
                let quoted = JSONValue.string(name.text).compact
                guard value.isBlock else { return ["\(quoted): \(lines.first ?? "")"] }
                return ["\(quoted):"] + lines.map { "  \($0)" }
            }
        default: return [compact]
        }
    }

    private var isBlock: Bool {
        switch self {
        case .array(let values): !values.isEmpty
        case .object(let members): !members.isEmpty
        default: false
        }
    }

    private static func hanging(_ mark: String, _ lines: [String]) -> [String] {
        lines.enumerated().map { ($0.offset == 0 ? mark : "  ") + $0.element }
    }
}
