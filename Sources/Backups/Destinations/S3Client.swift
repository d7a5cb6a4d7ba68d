internal import Curl
internal import ExactText
internal import Volumes

/// Requests to a server that speaks S3, signed, and repeated where a repetition may help.
///
/// See: Amazon S3 API Reference.
struct S3Client: Sendable {
    let account: S3Account
    let bucket: String
    private let connections: HTTPConnections

    /// An object of 4 MiB comes through a slow line in this time.
    private static let patience = Duration.seconds(600)
    private static let silence = Duration.seconds(60)
    /// What is tried again waits 0.25 s, then twice as long each time: a minute in all.
    private static let tries = 9

    init(_ account: S3Account, bucket: String) throws(VolumeError) {
        self.account = account
        self.bucket = bucket
        do throws(CurlError) {
            connections = try HTTPConnections()
        } catch {
            throw VolumeError(.internal, "\(error)")
        }
    }

    /// The answer to a request, whatever it says, once the server is well enough to say it.
    ///
    /// - Parameters:
    ///   - method: `GET`, `PUT`, `DELETE`.
    ///   - key: The object; empty for the bucket itself.
    ///   - query: Names and values, in the order of the names.
    ///   - headers: More headers.
    ///   - body: The body.
    ///   - doing: What it is for: `write 'chunks/…' to`.
    ///   - patience: How long it is tried.
    /// - Returns: The answer.
    /// - Throws: `VolumeError`.
    func send(
        _ method: String,
        _ key: String,
        query: [(name: String, value: String)] = [],
        headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil,
        _ doing: String,
        within patience: Duration = S3Client.patience
    ) async throws(VolumeError) -> HTTPResponse {
        let words = query.map { "\(Self.encoded($0.name))=\(Self.encoded($0.value))" }.joined(separator: "&")
        var fields = headers
        fields.append(("x-amz-content-sha256", "\(Digest(of: body ?? []))"))
        if body != nil { fields.append(("Content-Type", "application/octet-stream")) }
        let end = ContinuousClock.now + patience
        var pause = Duration.milliseconds(250)
        for attempt in 1... {
            let request = HTTPRequest(
                method,
                to: .server(account.endpoint, TLSIdentity(authorities: account.authorities)),
                path: "/\(bucket)\(key.isEmpty ? "" : "/\(key)")\(words.isEmpty ? "" : "?\(words)")",
                headers: fields,
                signer: account.signer,
                body: body,
                timeout: max(.seconds(1), end - .now),
                idleTimeout: Self.silence
            )
            let fault: VolumeError
            do throws(CurlError) {
                let answer = try await connections.send(request)
                guard Self.isPassing(answer) else { return answer }
                fault = failure(doing, answer)
            } catch {
                guard !error.isCanceled else {
                    throw VolumeError(.canceled, "cannot \(doing) '\(name)': it was stopped")
                }
                // libcurl was asked for what it does not do; it will not do it the next time.
                guard error.code != .badFunctionArgument else {
                    throw VolumeError(
                        .internal,
                        "cannot \(doing) '\(name)': \(error.reason) (curl error \(error.code.rawValue))"
                    )
                }
                fault = VolumeError(
                    .unavailable,
                    "cannot \(doing) '\(name)': \(error.reason) (curl error \(error.code.rawValue)); see whether the server at "
                        + "'\(account.endpoint)' runs; \(Self.goesOn)"
                )
            }
            guard attempt < Self.tries, .now + pause < end, (try? await Task.sleep(for: pause)) != nil else {
                throw fault
            }
            pause *= 2
        }
        throw VolumeError(.internal, "cannot \(doing) '\(name)'")
    }

    /// The bucket, for a person.
    var name: String { "s3://\(bucket)" }

    /// Whether the server says that it may do it another time.
    private static func isPassing(_ answer: HTTPResponse) -> Bool {
        [408, 429, 500, 502, 503, 504].contains(answer.status) || code(of: answer) == "RequestTimeout"
    }

    /// What an answer means that is not the one hoped for.
    func failure(_ doing: String, _ answer: HTTPResponse) -> VolumeError {
        let code = Self.code(of: answer)
        let call = "(S3: \(answer.status)\(code.isEmpty ? "" : " \(code.printable)"))"
        func error(_ kind: VolumeError.Code, _ words: String) -> VolumeError {
            VolumeError(kind, "cannot \(doing) '\(name)': \(words)")
        }
        switch (answer.status, code) {
        case (_, "InvalidAccessKeyId"), (_, "SignatureDoesNotMatch"), (401, _):
            return error(.unauthenticated, "the server does not know the S3 user's keys \(call); correct them")
        case (_, "RequestTimeTooSkewed"):
            return error(.failedPrecondition, "this machine's clock is wrong \(call); set it")
        case (_, "NoSuchBucket"):
            return error(.notFound, "there is no such bucket \(call); make it, or name another one")
        case (507, _), (_, "QuotaExceeded"), (_, "InsufficientStorage"), (_, "XMinioStorageFull"):
            return error(
                .resourceExhausted,
                "it is full or its quota is used up \(call); make room there; \(Self.goesOn)"
            )
        case (403, _):
            return error(
                .permissionDenied,
                "the server refuses it to this S3 user \(call); give it the right; \(Self.goesOn)"
            )
        case (501, _):
            return error(.unimplemented, "the server cannot do what backups need \(call); use another one")
        case (500..., _), (429, _), (408, _):
            return error(.unavailable, "the server cannot do it now \(call); \(Self.goesOn)")
        default: return error(.internal, "the server does not take it \(call)")
        }
    }

    private static let goesOn = "the same command again goes on from what is there"

    private static func code(of answer: HTTPResponse) -> String {
        answer.status >= 400 ? texts("Code", in: answer.body).first ?? "" : ""
    }

    /// The texts of an XML document's elements of a name; of those that this needs, none holds what XML escapes.
    static func texts(_ element: String, in document: [UInt8]) -> [String] {
        let text = String(decoding: document, as: UTF8.self)
        return text.components(between: "<\(element)>", and: "</\(element)>")
    }

    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
                UInt8(ascii: "~"):
                String(UnicodeScalar(byte))
            default: "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
        .joined()
    }
}

extension String {
    /// What stands between two marks, each time.
    fileprivate func components(between start: String, and end: String) -> [String] {
        var found: [String] = []
        var rest = self[...]
        while let from = rest.firstRange(of: start) {
            rest = rest[from.upperBound...]
            guard let to = rest.firstRange(of: end) else { break }
            found.append(String(rest[..<to.lowerBound]))
            rest = rest[to.upperBound...]
        }
        return found
    }
}
