import Curl
import Foundation

/// An answer of the service, as a caller reads it.
public struct Answer: Sendable, CustomStringConvertible {
    /// The HTTP status.
    public let status: Int
    /// The JSON as received.
    public let body: String
    /// How long it took.
    public let time: Duration

    /// Whether the call succeeded.
    public var isOK: Bool { status == 200 }

    /// Connect's code of a failure: `not_found`.
    public var code: String { text("code") }

    /// The sentence of a failure.
    public var message: String { text("message") }

    /// A string member; empty if there is none.
    public func text(_ path: String...) -> String {
        var value: Any? = try? JSONSerialization.jsonObject(with: Data(body.utf8))
        for name in path { value = (value as? [String: Any])?[name] }
        return value as? String ?? ""
    }

    /// A member that is a list of objects.
    public func list(_ name: String) -> [Answer] {
        let object = try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
        return (object?[name] as? [Any] ?? []).map { element in
            let data = (try? JSONSerialization.data(withJSONObject: element)) ?? Data()
            return Answer(status: status, body: String(decoding: data, as: UTF8.self), time: time)
        }
    }

    /// Status, time and body.
    public var description: String { "\(status) after \(time): \(body)" }
}

extension NacreProcess {
    /// Makes a call and measures it.
    public func ask(_ method: String, _ body: String, timeout: Duration = .seconds(60)) async throws -> Answer {
        let start = ContinuousClock.now
        let (status, body) = try await call(method, body, timeout: timeout)
        return Answer(status: status, body: body, time: .now - start)
    }

    /// Asks `/healthz` and measures it.
    public func health() async throws -> Answer {
        let start = ContinuousClock.now
        let answer = try await get("/healthz")
        return Answer(
            status: answer.status,
            body: String(decoding: answer.body, as: UTF8.self),
            time: .now - start
        )
    }
}
