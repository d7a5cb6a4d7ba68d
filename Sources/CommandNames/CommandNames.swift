public import ArgumentParser
internal import ExactText

/// What the programs' command lines share: the version, and suggestions for mistyped subcommands.
public enum CommandNames {
    /// The version of all programs of this package.
    public static let version = "0.1.0"

    /// The message for an argument whose bytes are no UTF-8, or that has U+FFFD itself: two such names would be taken for one.
    ///
    /// - Parameter words: The command line after the program's name; Swift has put U+FFFD in place of such bytes.
    /// - Returns: A sentence; `nil` if there is none.
    public static func unreadable(in words: [String]) -> String? {
        guard let index = words.firstIndex(where: { $0.unicodeScalars.contains("\u{FFFD}") }) else { return nil }
        return "argument \(index + 1), '\(words[index])', has bytes that are no UTF-8, or U+FFFD; write it in UTF-8"
    }

    /// The message for the first word that should be a subcommand and is not.
    ///
    /// - Parameters:
    ///   - words: The command line after the program's name.
    ///   - root: The program's command.
    /// - Returns: `'inspct' is no command; did you mean 'nacre-disk inspect'?`, or which commands there are where none
    ///   is similar; `nil` if every word is valid.
    public static func correction(of words: [String], in root: any ParsableCommand.Type) -> String? {
        var path = [root._commandName]
        var command = root
        for (index, word) in words.enumerated() {
            let names = names(in: command)
            guard !names.isEmpty, !word.isEmpty, !word.startsExactly(with: "-") else { return nil }
            if let next = names.first(where: { $0.names.contains(word) }) {
                command = next.command
                path.append(word)
                continue
            }
            if word.isExactly("help") {
                guard path.count > 1 else { return nil }
                let whole = [path[0], word] + path.dropFirst() + words.dropFirst(index + 1)
                return "'help' comes first; did you mean '\(whole.joined(separator: " "))'?"
            }
            let begun = names.flatMap(\.names).filter { $0.startsExactly(with: word) }
            if let close = begun.count == 1 ? begun[0] : nearest(to: word, of: names.flatMap(\.names)) {
                return "'\(word)' is no command; did you mean '\((path + [close]).joined(separator: " "))'?"
            }
            // `nacre list` for `nacre volume list`.
            guard let above = names.first(where: { self.names(in: $0.command).contains { $0.names.contains(word) } })
            else {
                let all = names.map { $0.command._commandName }.joined(separator: ", ")
                return "'\(word)' is no command of \(path.joined(separator: " ")), which has \(all)"
            }
            let deeper = (path + [above.command._commandName, word]).joined(separator: " ")
            return "'\(word)' is no command; did you mean '\(deeper)'?"
        }
        return nil
    }

    /// The word of `candidates` that was probably meant by `word`; `nil` if none is similar.
    public static func nearest(to word: String, of candidates: [String]) -> String? {
        let close = candidates.map { ($0, distance(word.lowercased(), $0.lowercased())) }.min { $0.1 < $1.1 }
        // One slip of a finger in a short word, three in a long one; a letter or two resemble every short name.
        guard let close, close.1 <= min(3, (word.count + 1) / 3) else { return nil }
        return close.0
    }

    /// A subcommand and all that it is called.
    private struct Named {
        let command: any ParsableCommand.Type
        let names: [String]

        init(_ command: any ParsableCommand.Type) {
            self.command = command
            names = [command._commandName] + command.configuration.aliases
        }
    }

    private static func names(in command: any ParsableCommand.Type) -> [Named] {
        var found: [Named] = []
        for subcommand in command.configuration.subcommands where subcommand.configuration.shouldDisplay {
            found.append(Named(subcommand))
        }
        return found
    }

    /// The number of letters to insert, delete, change, or swap with their neighbour.
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
