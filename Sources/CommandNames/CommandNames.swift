public import ArgumentParser

/// What the programs have in common on the command line: their version, and the subcommand that was meant where a word is
/// none.
public enum CommandNames {
    /// The version that every program of this package says it has.
    public static let version = "0.1.0"

    /// What to say of the first word that should be a subcommand and is not.
    ///
    /// - Parameters:
    ///   - words: The command line after the program's name.
    ///   - root: The program's command.
    /// - Returns: `'inspct' is no command; did you mean 'nacre-disk inspect'?`; nothing when every word is one, or when
    ///   nothing resembles it.
    public static func correction(of words: [String], in root: any ParsableCommand.Type) -> String? {
        var path = [root._commandName]
        var command = root
        for word in words {
            let names = command.configuration.subcommands.map { ($0, [$0._commandName] + $0.configuration.aliases) }
            guard !names.isEmpty, !word.hasPrefix("-") else { return nil }
            if let next = names.first(where: { $0.1.contains(word) }) {
                command = next.0
                path.append(word)
                continue
            }
            let close = names.flatMap(\.1).map { ($0, distance(word.lowercased(), $0)) }.min { $0.1 < $1.1 }
            // One slip of a finger in a short word, three in a long one.
            guard let close, close.1 <= max(1, min(3, word.count / 2)) else { return nil }
            return "'\(word)' is no command; did you mean '\((path + [close.0]).joined(separator: " "))'?"
        }
        return nil
    }

    /// How many letters have to be put in, taken out, changed, or swapped with their neighbour.
    ///
    /// See: the optimal string alignment distance.
    static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left), Array(right))
        var rows = [Array(0...right.count)]
        for row in 0..<left.count {
            var line = [row + 1]
            for column in 0..<right.count {
                let change = rows[row][column] + (left[row] == right[column] ? 0 : 1)
                var best = min(change, rows[row][column + 1] + 1, line[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    best = min(best, rows[row - 1][column - 1] + 1)
                }
                line.append(best)
            }
            rows.append(line)
        }
        return rows[left.count][right.count]
    }
}
