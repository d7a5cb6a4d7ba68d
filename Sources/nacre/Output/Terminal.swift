import Glibc
import Secrets
import SystemPackage

/// What the program's standard files lead to, and what may be written there.
struct Terminal: Sendable {
    /// Whether a person can be asked.
    let isInteractive: Bool
    /// Whether results may be coloured.
    let hasColors: Bool
    /// The columns of a line of standard error; nothing when that is no terminal.
    let errorColumns: Int?

    /// Looks at this process' standard files.
    init() {
        let isPlain = Environment.value("NO_COLOR") != nil || Environment.value("TERM") == "dumb"
        isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
        hasColors = isatty(STDOUT_FILENO) == 1 && !isPlain
        guard isatty(STDERR_FILENO) == 1, Environment.value("TERM") != "dumb" else {
            errorColumns = nil
            return
        }
        var size = winsize()
        let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        errorColumns = isKnown ? Int(size.ws_col) : 80
    }

    /// What empties the screen, where there is one; a blank line elsewhere.
    var cleared: String {
        isatty(STDOUT_FILENO) == 1 && Environment.value("TERM") != "dumb" ? "\u{1B}[H\u{1B}[2J\u{1B}[3J" : "\n"
    }

    /// The text in a colour, where colours may be.
    func colored(_ text: String, _ color: Color) -> String {
        hasColors ? "\u{1B}[\(color.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// The colours by their numbers (ECMA-48, SGR).
    enum Color: String {
        case bold = "1"
        case red = "31"
        case green = "32"
    }

    /// Writes to standard error, at once; no cephx key, whatever it repeats.
    static func say(_ text: String) {
        // Nobody to tell when even that cannot be written.
        _ = try? FileDescriptor.standardError.writeAll(CephKey.masked(text).utf8)
    }
}
