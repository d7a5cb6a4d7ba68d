internal import HTTPTypes
internal import HummingbirdCore
internal import JSON
internal import NIOCore
internal import VolumeAPI

extension Response {
    static func json(_ json: JSONValue, status: HTTPResponse.Status) -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: json.bytes))
        )
    }

    static func error(_ error: ConnectError, status: HTTPResponse.Status) -> Response {
        .json(error.json, status: status)
    }

    static func text(_ text: String, type: String) -> Response {
        Response(
            status: .ok,
            headers: [.contentType: type],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text))
        )
    }

    static func plain(_ text: String, status: HTTPResponse.Status, headers: HTTPFields) -> Response {
        var response = Response.text(text, type: "text/plain; charset=utf-8")
        response.status = status
        response.headers.append(contentsOf: headers)
        return response
    }

    static var onlyGet: Response {
        .plain("only GET is served here\n", status: .methodNotAllowed, headers: [.allow: "GET"])
    }

    /// The same answer, after which the connection is closed: further bytes could not be told from the body.
    func closing(_ channel: any Channel) -> Response {
        var response = self
        let original = body
        response.headers[.connection] = "close"
        response.body = ResponseBody(contentLength: original.contentLength) { writer in
            try await original.write(writer)
            channel.close(promise: nil)
        }
        return response
    }
}
