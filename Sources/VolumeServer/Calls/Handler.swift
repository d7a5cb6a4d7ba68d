internal import JSON
internal import VolumeAPI
internal import Volumes

/// What a call is about, for its line in the log.
enum Subject: Sendable {
    case volume(String)
    case snapshot(String)
    case name(String)
}

/// One call of the service: decodes JSON, calls the CSI service and encodes the answer.
struct Handler: Sendable {
    /// A request that was understood.
    struct Prepared: Sendable {
        let subject: Subject?
        let run: @Sendable (ContinuousClock.Instant) async throws(VolumeError) -> JSONValue
    }

    /// `/csi.v1.Controller/CreateVolume`.
    let path: String
    /// `CreateVolume`.
    let name: String
    /// Reads the request's message.
    let prepare: @Sendable (JSONValue) throws(FieldError) -> Prepared

    /// Offers a call.
    static func offer<Call: Method>(
        _ call: Call.Type,
        subject: @escaping @Sendable (Call.Request) -> Subject? = { _ in nil },
        _ body:
            @escaping @Sendable (Call.Request, ContinuousClock.Instant) async throws(VolumeError) -> Call.Response
    ) -> Handler {
        Handler(path: call.path, name: call.name) { json throws(FieldError) in
            let request = try Call.Request(json: json)
            return Prepared(subject: subject(request)) { deadline throws(VolumeError) in
                try await body(request, deadline).json
            }
        }
    }

    /// Answers a call of CSI that Nacre does not offer, whatever it contains.
    static func refuse<Call: Method>(_ call: Call.Type, _ sentence: String) -> Handler {
        Handler(path: call.path, name: call.name) { _ in
            Prepared(subject: nil) { _ throws(VolumeError) in
                throw VolumeError(.unimplemented, "\(call.name) is not offered: \(sentence)")
            }
        }
    }
}
