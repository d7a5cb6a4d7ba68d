import Curl
import TestSupport
import Testing

@Suite("Keys where they do not belong")
struct KeyLeakTests {
    @Test("A key in any field of any call, in any form, is in no answer and no line of the log")
    func sweep() async throws {
        try await Fixture.with { fixture in
            var count = 0
            var refusals = 0
            for key in RecordedKey.eachType {
                let forms = RecordedKey.pasted(key)
                var turn = 0
                for call in EveryField.calls {
                    for place in EveryField.bodies(call.body, with: key).indices {
                        // Each field gets the next form: all forms in all fields take minutes, and find no more.
                        let (how, text) = forms[turn % forms.count]
                        turn += 1
                        let (name, body) = EveryField.bodies(call.body, with: text)[place]
                        let answer = try await fixture.post("/csi.v1.\(call.method)", body)
                        count += 1
                        if answer.status != 200 { refusals += 1 }
                        #expect(
                            !RecordedKey.isLeaked(key, in: answer.body),
                            "\(call.method)\(name), \(how): \(String(decoding: answer.body, as: UTF8.self))"
                        )
                    }
                    let odd = try await fixture.post("/csi.v1.\(call.method)/\(key)", call.body)
                    #expect(!RecordedKey.isLeaked(key, in: odd.body), "path")
                }
                #expect(!fixture.lines.all.contains { RecordedKey.isLeaked(key, in: Array($0.utf8)) })
            }
            #expect(
                count > 200 && refusals > 100,
                "\(refusals) of \(count) refused: the sweep must have something to sweep"
            )
        }
    }

    @Test("A key in a name, a path, a parameter or a context is refused by the field's name")
    func refuses() async throws {
        try await Fixture.with { fixture in
            for key in RecordedKey.eachType {
                for (method, name, json) in [
                    ("Controller/CreateVolume", "name", "\"\(key)\""),
                    ("Controller/CreateVolume", "parameters['pool']", #"{"pool":"\#(key)"}"#),
                    ("Controller/CreateVolume", "parameters", #"{"\#(key)":"x"}"#),
                    ("Controller/DeleteVolume", "volumeId", "\"\(key)\""),
                    ("Node/NodeStageVolume", "stagingTargetPath", "\"/\(key)\""),
                ] {
                    let member = String(name.prefix { $0 != "[" })
                    let body = BadRequest.body(method, changing: member, to: json)
                    let answer = String(decoding: try await fixture.post("/csi.v1.\(method)", body).body, as: UTF8.self)
                    #expect(
                        answer.contains("invalid_argument") && answer.contains("\(name): holds a cephx key"),
                        "\(answer)"
                    )
                }
            }
            #expect(fixture.controller.calls.isEmpty && fixture.node.calls.isEmpty)
        }
    }
}
