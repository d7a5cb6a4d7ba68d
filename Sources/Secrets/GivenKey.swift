internal import ExactText

/// A cephx key among the words of a command line, where everybody on the machine can read it.
package enum GivenKey {
    /// Looks for keys among the arguments, each alone and all together, because a shell may split a key.
    ///
    /// - Parameter words: The arguments without the program's name.
    /// - Returns: A sentence with the place of the key and what to do; `nil` if there is no key.
    package static func fault(in words: [String]) -> String? {
        guard CephKey.isIn(words.joined(separator: " ")) else { return nil }
        let place =
            words.firstIndex(where: CephKey.isIn).map { index in
                let flag = index > 0 && words[index - 1].startsExactly(with: "-") ? words[index - 1] : nil
                return flag.map { "what follows \($0)" } ?? "argument \(index + 1)"
            } ?? "what the arguments say together"
        return
            "\(place) holds a cephx key, which is never an argument: others see it in 'ps', and it is in the shell's history "
            + "now; put userID and userKey into files of a directory, and give the user another key"
    }
}
