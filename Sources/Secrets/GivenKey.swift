/// A cephx key among the words of a command line, where everybody on the machine can read it.
package enum GivenKey {
    /// What is wrong and what to do, a sentence; nothing when no word has a key in it.
    ///
    /// - Parameter words: What follows the program's name.
    package static func fault(in words: [String]) -> String? {
        // A key may be cut into several words by the shell, and then none of them shows it.
        guard CephKey.isIn(words.joined(separator: " ")) else { return nil }
        let place =
            words.firstIndex(where: CephKey.isIn).map { index in
                let flag = index > 0 && words[index - 1].hasPrefix("-") ? words[index - 1] : nil
                return flag.map { "what follows \($0)" } ?? "argument \(index + 1)"
            } ?? "what the arguments say together"
        return
            "\(place) holds a cephx key, which is never an argument: others see it in 'ps', and it is in the shell's history "
            + "now; put userID and userKey into files of a directory, and give the user another key"
    }
}
