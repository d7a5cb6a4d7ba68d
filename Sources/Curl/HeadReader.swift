internal import ExactText

/// The head of an answer, which libcurl passes on line by line.
struct HeadReader {
    private(set) var headers: [(name: String, value: String)] = []
    private(set) var isComplete = false
    private(set) var status = 0

    /// Takes one line with its end.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        let line = String(decoding: bytes, as: UTF8.self)
        // A status line starts a new head: the real answer follows a status 100.
        if line.startsExactly(with: "HTTP/") {
            headers = []
            isComplete = false
            status = line.parts(at: " ", omittingEmpty: true).dropFirst().first.flatMap { Int($0) } ?? 0
            return
        }
        if line == "\r\n" || line == "\n" { isComplete = status >= 200 }
        guard let colon = line.firstIndex(of: ":") else { return }
        let value = line[line.index(after: colon)...]
        headers.append(
            (
                String(line[..<colon]).lowercased(),
                String(value.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
            )
        )
    }
}
