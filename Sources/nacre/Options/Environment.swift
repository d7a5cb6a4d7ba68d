import Glibc

/// The environment, which is used only for defaults of options.
enum Environment {
    /// The variable's value; `nil` if it is unset or empty.
    static func value(_ name: String) -> String? {
        guard let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty else { return nil }
        return text
    }
}
