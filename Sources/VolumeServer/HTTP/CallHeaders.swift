internal import ExactText
internal import HTTPTypes
internal import VolumeAPI

extension HTTPField.Name {
    static var connectProtocolVersion: HTTPField.Name { HTTPField.Name(parsed: "connect-protocol-version") ?? .via }
    static var connectTimeout: HTTPField.Name { HTTPField.Name(parsed: "connect-timeout-ms") ?? .via }
    static var acceptPost: HTTPField.Name { HTTPField.Name(parsed: "accept-post") ?? .via }
}

/// What a call's headers say, checked.
enum CallHeaders {
    /// Whether a body of that media type is accepted: `application/json`, with UTF-8 as its only parameter.
    static func isJSON(_ contentType: String?) -> Bool {
        guard let contentType else { return false }
        let parts = contentType.lowercased().parts(at: ";").map(trimmed)
        guard parts.first == "application/json" else { return false }
        return parts.dropFirst().allSatisfy { ["charset=utf-8", "charset=\"utf-8\""].contains($0) }
    }

    /// Checks the headers for Connect's version and compression.
    static func check(_ headers: HTTPFields) throws(ConnectError) {
        if let version = headers[.connectProtocolVersion], version != "1" {
            throw ConnectError(.invalidArgument, "Connect-Protocol-Version: only 1 is spoken here")
        }
        if let encoding = headers[.contentEncoding], trimmed(encoding.lowercased()) != "identity" {
            throw ConnectError(
                .unimplemented,
                "Content-Encoding: only identity is understood here; send it uncompressed"
            )
        }
    }

    /// The caller's timeout; `nil` if it gives none.
    static func timeout(_ headers: HTTPFields) throws(ConnectError) -> Duration? {
        guard let text = headers[.connectTimeout] else { return nil }
        let isNumber = (1...10).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isNumber, let milliseconds = Int64(text) else {
            throw ConnectError(.invalidArgument, "Connect-Timeout-Ms: expected 1 to 10 digits")
        }
        return .milliseconds(milliseconds)
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        let front = text.drop { $0 == " " || $0 == "\t" }
        return String(front.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
