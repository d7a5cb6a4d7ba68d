internal import ExactText
internal import Glibc

extension KernelFile {
    /// Whether two absolute paths name one entry of one directory, as where a directory is bound elsewhere.
    ///
    /// What is at them is not looked at: it may be a mount that does not answer.
    ///
    /// See: stat(2).
    public static func isSamePlace(_ one: String, _ other: String) -> Bool {
        if one.isExactly(other) { return true }
        let (first, second) = (one.parts(at: "/"), other.parts(at: "/"))
        guard let name = first.last, second.last?.isExactly(name) == true else { return false }
        var (here, there) = (stat(), stat())
        let parents = [first, second].map { $0.dropLast().joined(separator: "/") + "/" }
        guard stat(parents[0], &here) == 0, stat(parents[1], &there) == 0 else { return false }
        return here.st_dev == there.st_dev && here.st_ino == there.st_ino
    }
}
