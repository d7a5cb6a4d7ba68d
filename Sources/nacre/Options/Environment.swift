import Glibc

/// The environment, which gives options their defaults and nothing else.
enum Environment {
    /// The variable's value; nothing when it is not there or empty.
    static func value(_ name: String) -> String? {
        guard let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty else { return nil }
        return text
    }
}
