import Blocking
import Curl
import FoundationEssentials

/// What the service says at `/healthz`, which may take it seconds: a command that looks at several parts asks once.
actor ServiceHealth {
    struct Part: Decodable, Sendable {
        let name: String
        let ok: Bool
        let message: String
    }

    private struct Answer: Decodable {
        let parts: [Part]
    }

    private let socket: String
    private let http: HTTPClient
    private var last: (parts: [Part], at: ContinuousClock.Instant)?
    private var asking: Task<[Part]?, Never>?

    /// The service gives itself five seconds.
    static let limit = Duration.seconds(6)
    /// What looks again and again hears of a change that soon.
    private static let age = Duration.seconds(5)

    init(socket: String, _ http: HTTPClient) {
        self.socket = socket
        self.http = http
    }

    /// Its parts, as they were at most five seconds ago.
    ///
    /// - Parameter deadline: When to stop waiting; six seconds from now unless given.
    /// - Returns: None where it does not answer in time.
    func parts(until deadline: ContinuousClock.Instant = .now + ServiceHealth.limit) async -> [Part] {
        if let last, last.at.duration(to: .now) < Self.age { return last.parts }
        // One question, and each who waits for it has a deadline of its own.
        return await bounded(until: deadline) { await self.answer() } ?? []
    }

    private func answer() async -> [Part] {
        if let asking { return await asking.value ?? [] }
        let request = HTTPRequest(unixSocket: socket, path: "/healthz", timeout: Self.limit)
        let asking = Task { [http] () -> [Part]? in
            guard let answer = try? await http.send(request) else { return nil }
            return try? JSONDecoder().decode(Answer.self, from: Data(answer.body)).parts
        }
        self.asking = asking
        let parts = await asking.value
        self.asking = nil
        // What was not answered is asked again.
        if let parts { last = (parts, .now) }
        return parts ?? []
    }
}
