extension StringProtocol {
    /// Whether the path is `directory` or is below it, by their bytes.
    ///
    /// Both must be canonical: absolute, without `.`, `..`, doubled or final slashes.
    public func isAtOrBelow(_ directory: some StringProtocol) -> Bool {
        isExactly(directory) || isBelow(directory)
    }

    /// Whether the path is below `directory`, by their bytes.
    public func isBelow(_ directory: some StringProtocol) -> Bool {
        guard !directory.isExactly("/") else { return startsExactly(with: "/") && utf8.count > 1 }
        return utf8.count > directory.utf8.count + 1 && startsExactly(with: directory)
            && utf8[utf8.index(utf8.startIndex, offsetBy: directory.utf8.count)] == UInt8(ascii: "/")
    }
}
