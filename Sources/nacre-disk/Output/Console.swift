internal import Glibc
internal import LinuxKernel

/// Output: results to standard output, everything else to standard error.
enum Console {
    static func result(_ text: String) {
        print(text)
    }

    static func note(_ text: String) {
        draw(text + "\n")
    }

    static func error(_ text: String) {
        draw("nacre-disk: \(text)\n")
    }

    /// Writes to standard error as it is.
    static func draw(_ text: String) {
        let bytes = Array(text.utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }

    /// Asks a person; `nil` if there is none, or at the end of input.
    static func ask(_ question: String) -> String? {
        guard isInteractive else { return nil }
        draw(question)
        return readLine()
    }

    /// Whether a person can be asked.
    static var isInteractive: Bool { DevicePath.isTerminal(STDIN_FILENO) && DevicePath.isTerminal(STDERR_FILENO) }
    /// Whether progress can be drawn in place.
    static var isTerminal: Bool { DevicePath.isTerminal(STDERR_FILENO) }
}
