internal import ExactText

/// The arguments of a program that parses its options by getopt(3): joined flags, values in the same word or in the
/// next.
struct ToolOptions: Sendable {
    /// One option as the program sees it.
    struct Option: Sendable, Hashable {
        let letter: Character
        /// Nothing for an option without a value.
        let value: String?

        /// As a person writes it: `-E nodiscard`.
        var text: String { value.map { "-\(letter) \($0)" } ?? "-\(letter)" }
    }

    /// In the order in which they stand.
    let options: [Option]

    /// Reads `words` as the program does.
    ///
    /// - Parameters:
    ///   - text: Words, separated by blanks.
    ///   - letters: getopt's string: a letter for each option, followed by a colon if the option has a value.
    ///   - program: Its name, for errors.
    /// - Throws: `VolumeError` with `.invalidArgument` for an unknown option, for a missing value, and for a word that
    ///   is not an option, which would name another device or a size.
    init(_ text: String, letters: String, of program: String) throws(VolumeError) {
        var takesValue: [Character: Bool] = [:]
        for (index, letter) in letters.enumerated() where letter != ":" {
            takesValue[letter] = letters.dropFirst(index + 1).first == ":"
        }
        var words = text.split { $0 == " " || $0 == "\t" }.map(String.init)[...]
        var options: [Option] = []
        while let word = words.popFirst() {
            guard word.startsExactly(with: "-"), word != "-", word != "--" else {
                throw .invalid(
                    "mkfsOptions '\(word.printable)' is no option: \(program) would take it for a device, a size or a file; "
                        + "leave it out"
                )
            }
            var rest = word.dropFirst()
            while let letter = rest.popFirst() {
                guard let hasValue = takesValue[letter] else {
                    throw .invalid(
                        "mkfsOptions '\(word.printable)': \(program) has no option '-\(String(letter).printable)'; leave it "
                            + "out"
                    )
                }
                guard hasValue else {
                    options.append(Option(letter: letter, value: nil))
                    continue
                }
                guard let value = rest.isEmpty ? words.popFirst() : String(rest) else {
                    throw .invalid("mkfsOptions '\(word.printable)': its value is missing")
                }
                options.append(Option(letter: letter, value: value))
                break
            }
        }
        self.options = options
    }
}
