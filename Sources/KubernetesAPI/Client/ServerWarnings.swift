internal import Synchronization

/// What the API server warns of beside its answers, each warning told once.
///
/// Deprecated APIs, fields that it does not know, what an admission policy dislikes: it says so to every call alike.
package final class ServerWarnings: Sendable {
    /// Told of a warning and of the call that it came with: `patch /api/v1/persistentvolumes/pvc-…`.
    package typealias Listener = @Sendable (_ warning: String, _ call: String) -> Void

    private let listener: Listener
    private let known = Mutex<Set<String>>([])

    /// A server that never says the same twice costs no more than this; then the earliest may be told again.
    private static let mostKnown = 256
    /// The API server's own limit is 4 KiB for all warnings of an answer.
    private static let longest = 1024

    /// Tells `listener` of each.
    package init(_ listener: @escaping Listener) { self.listener = listener }

    /// Takes the warnings out of an answer's headers.
    func take(_ headers: [(name: String, value: String)], of call: String) {
        for (name, value) in headers where name == "warning" {
            for warning in Self.texts(in: value) {
                let isNew = known.withLock { known in
                    if known.count >= Self.mostKnown { known = [] }
                    return known.insert(warning).inserted
                }
                if isNew { listener(warning, call) }
            }
        }
    }

    /// The texts of a header's value, `299 - "text"`, several separated by commas.
    ///
    /// See: RFC 7234, section 5.5; Kubernetes sends code 299 and no agent.
    static func texts(in value: String) -> [String] {
        var texts: [String] = []
        var rest = Substring(value)
        while let start = rest.firstIndex(of: "\"") {
            // What stands before the text: code and agent.
            let head = rest[..<start].split(whereSeparator: { $0 == " " || $0 == "," })
            rest = rest[rest.index(after: start)...]
            var text = ""
            var isEscaped = false
            while let character = rest.popFirst() {
                if isEscaped {
                    isEscaped = false
                } else if character == "\\" {
                    isEscaped = true
                    continue
                } else if character == "\"" {
                    break
                }
                let isControl = character.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
                text.append(isControl ? " " : character)
            }
            // A date may follow the text, in quotes too.
            guard head.first == "299", !text.isEmpty else { continue }
            texts.append(String(text.prefix(longest)))
        }
        return texts
    }
}
