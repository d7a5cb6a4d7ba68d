internal import HummingbirdCore
internal import NIOCore

extension Responder {
    /// HTTP/1.1 on a connection, with our limits.
    func channel(_ configuration: ServerConfiguration) -> HTTP1Channel {
        HTTP1Channel(
            responder: answer,
            configuration: HTTP1Channel.Configuration(
                idleTimeout: TimeAmount(configuration.idleTimeout),
                httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
                    maxHeaderFieldSize: 16 << 10,
                    maxHeaderListSize: 32 << 10,
                    maxHeaderFieldCount: 100
                )
            )
        )
    }

    @Sendable @concurrent
    private func answer(
        _ request: Request,
        _ writer: consuming ResponseWriter,
        _ channel: any Channel
    ) async throws {
        let response = try await respond(to: request, on: channel)
        do {
            try await writer.write(response: response.head, body: response.body)
        } catch {
            // Thrown on as it is, a parser's error would have a second answer written.
            throw AnswerNotWritten(cause: error)
        }
    }
}

/// The connection broke while an answer was written to it.
private struct AnswerNotWritten: Error {
    let cause: any Error
}
