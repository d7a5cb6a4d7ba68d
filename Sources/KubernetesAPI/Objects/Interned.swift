internal import ExactText
internal import Synchronization

/// One copy of each string that many objects share: namespaces, classes, drivers, finalizers.
///
/// Not for names of which every object has its own; those would only fill the table.
package enum Interned {
    private static let table = Mutex<Set<ExactText>>([])
    /// A table of this size holds something that it should not; new strings are then kept as they come.
    private static let mostStrings = 4096

    /// The copy that all share.
    package static func string(_ text: String) -> String {
        // Such a short one is no allocation of its own.
        guard text.utf8.count > 15 else { return text }
        return table.withLock { table in
            if let index = table.firstIndex(of: ExactText(text)) { return table[index].text }
            if table.count < mostStrings { table.insert(ExactText(text)) }
            return text
        }
    }
}
