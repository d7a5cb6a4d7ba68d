import ArgumentParser

/// A time such as `60s`, `500ms`, `5m`, `1h`, `1h30m`; a number alone is seconds.
struct TimeLimit: Hashable, Sendable, CustomStringConvertible {
    /// The time, a whole number of milliseconds.
    let duration: Duration

    /// Names a time.
    init(seconds: Int) {
        duration = .seconds(seconds)
    }

    /// Reads a time.
    ///
    /// - Throws: `Fault` that says what is wrong and what is expected.
    init(parsing text: String) throws(Fault) {
        let example = "write a number and a unit, such as 60s, 5m or 1h"
        var rest = text[...]
        var milliseconds = 0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let unit = rest.dropFirst(digits.count).prefix { $0.isASCII && $0.isLetter }
            guard !digits.isEmpty else { throw Fault("'\(text)' is no time; \(example)") }
            // Only a number alone is seconds: '1h30' may be meant in two ways.
            guard let scale = Self.units[String(unit)], !unit.isEmpty || rest.count == text.count else {
                let unknown = unit.isEmpty ? "lacks a unit at its end" : "has the unknown unit '\(unit)'"
                throw Fault("'\(text)' \(unknown); \(example)")
            }
            guard digits.count <= 9, let count = Int(digits) else { throw Fault("'\(text)' is longer than a year") }
            milliseconds += count * scale
            rest = rest.dropFirst(digits.count + unit.count)
        }
        guard milliseconds > 0 else { throw Fault("'\(text)' is no time; \(example)") }
        guard milliseconds <= 366 * 86_400_000 else { throw Fault("'\(text)' is longer than a year") }
        duration = .milliseconds(milliseconds)
    }

    private static let units = [
        "": 1000, "ms": 1, "s": 1000, "sec": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000,
    ]

    /// As it is written: `60s`, `500ms`.
    var description: String {
        let (seconds, attoseconds) = duration.components
        guard attoseconds == 0 else { return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms" }
        return "\(seconds)s"
    }

    /// The error for a time outside of a range; `nil` if it is inside.
    func refusal(outside range: ClosedRange<Int>, _ flag: String) -> ValidationError? {
        guard duration < .seconds(range.lowerBound) || duration > .seconds(range.upperBound) else { return nil }
        return ValidationError("\(flag) must be \(range.lowerBound)s to \(range.upperBound)s, not \(self)")
    }

    /// What is wrong with a time.
    struct Fault: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) {
            self.description = description
        }
    }
}

/// Reads a time for ArgumentParser, with a specific error message.
@Sendable func timeLimit(_ text: String) throws -> TimeLimit {
    do throws(TimeLimit.Fault) {
        return try TimeLimit(parsing: text)
    } catch {
        throw ValidationError(error.description)
    }
}
