import CoreMetrics
import Curl
import Synchronization
import TestSupport
import Testing
import VolumeAPI
import VolumeClient
import VolumeServer
import Volumes

@Suite("Health, metrics and logs")
struct ObservationTests {
    @Test("Health is 200 when every part is well, 503 otherwise, and names the parts")
    func health() async throws {
        let parts = [
            Health.Part("cluster/c1", isWell: true, message: "connected"),
            Health.Part("purger", isWell: false, message: "3 images wait for a watcher"),
        ]
        try await Fixture.with(health: { Health(parts) }) { fixture in
            let answer = try await fixture.get("/healthz")
            #expect(answer.status == 503)
            #expect(
                String(decoding: answer.body, as: UTF8.self)
                    == #"{"ok":false,"parts":[{"name":"cluster/c1","ok":true,"message":"connected"},"#
                    + #"{"name":"purger","ok":false,"message":"3 images wait for a watcher"}]}"#
            )
        }
        try await Fixture.with(health: { Health([parts[0]]) }) { fixture in
            expect(200, try await fixture.get("/healthz"))
        }
    }

    @Test("The metrics are Prometheus text, and count calls by method and code")
    func metrics() async throws {
        try await Fixture.with { fixture in
            fixture.metrics.registerGauge("nacre_pool_queue", "Waiting.", [("cluster", "a\"b\\c\nd")]) { 4 }
            _ = try await fixture.post("/csi.v1.Controller/CreateVolume", BadRequest.body("Controller/CreateVolume"))
            _ = try await fixture.post("/csi.v1.Controller/CreateVolume", "{}")
            _ = try await fixture.post("/csi.v1.Identity/Probe", "{}")
            let answer = try await fixture.get("/metrics")
            #expect(answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8")
            let text = String(decoding: answer.body, as: UTF8.self)
            for line in [
                "# TYPE nacre_requests_total counter",
                "# HELP nacre_requests_total Calls answered, by method and by Connect's code.",
                #"nacre_requests_total{code="ok",method="CreateVolume"} 1"#,
                #"nacre_requests_total{code="invalid_argument",method="CreateVolume"} 1"#,
                #"nacre_requests_total{code="ok",method="Probe"} 1"#,
                "# TYPE nacre_request_duration_seconds histogram",
                #"nacre_request_duration_seconds_bucket{method="CreateVolume",le="+Inf"} 2"#,
                #"nacre_request_duration_seconds_count{method="CreateVolume"} 2"#,
                "nacre_requests_in_flight 0",
                #"nacre_build_info{driver="rbd.nacre.io",version="1.2.3"} 1"#,
                #"nacre_pool_queue{cluster="a\"b\\c\nd"} 4"#,
            ] {
                #expect(text.split(separator: "\n").contains(line[...]), "\(line)\n\(text)")
            }
            try parse(text)
        }
    }

    /// The text format's grammar: HELP, TYPE and samples; a TYPE once and before its samples.
    private func parse(_ text: String) throws {
        let sample =
            /[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*",?)*\})? (-?[0-9.]+(e-?[0-9]+)?|NaN|[+-]Inf)/
        var types: Set<Substring> = []
        #expect(text.hasSuffix("\n"))
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                #expect(types.insert(line.split(separator: " ")[2]).inserted, "\(line)")
            } else if !line.hasPrefix("# HELP ") {
                #expect(line.wholeMatch(of: sample) != nil, "\(line)")
                let name = line.prefix { $0 != "{" && $0 != " " }
                let isKnown = types.contains { name == $0 || name.hasPrefix($0 + "_") }
                #expect(isKnown, "\(line)")
            }
        }
    }

    @Test("A histogram's buckets count everything up to their limit")
    func histogram() {
        let registry = MetricsRegistry()
        for seconds in [0.0001, 0.001, 0.02, 59, 61] { registry.histogram("h").record(seconds) }
        let lines = registry.text.split(separator: "\n")
        for line in [
            #"h_bucket{le="0.001"} 2"#, #"h_bucket{le="0.025"} 3"#, #"h_bucket{le="60"} 4"#, #"h_bucket{le="+Inf"} 5"#,
            "h_count 5",
        ] {
            #expect(lines.contains(line[...]), "\(line)")
        }
    }

    @Test("swift-metrics' counters, gauges and timers appear under names that Prometheus allows")
    func factory() {
        let registry = MetricsRegistry()
        let factory = RegistryMetricsFactory(registry)
        let counter = factory.makeCounter(label: "a.b-c", dimensions: [("x y", "1")])
        counter.increment(by: 2)
        factory.makeFloatingPointCounter(label: "f", dimensions: []).increment(by: 0.5)
        factory.makeMeter(label: "m", dimensions: []).set(7.5)
        factory.makeRecorder(label: "r", dimensions: [], aggregate: false).record(Int64(3))
        factory.makeTimer(label: "t", dimensions: []).recordNanoseconds(2_000_000)
        for line in [#"a_b_c{x_y="1"} 2"#, "f 0.5", "m 7.5", "r 3", #"t_bucket{le="0.0025"} 1"#, "t_sum 0.002"] {
            #expect(registry.text.split(separator: "\n").contains(line[...]), "\(line)\n\(registry.text)")
        }
        factory.destroyCounter(counter)
        #expect(!registry.text.contains("a_b_c"))
    }

    @Test("A call has one line with method, subject, code and duration, and no secret anywhere")
    func logs() async throws {
        try await Fixture.with { fixture in
            _ = try await fixture.client.call(CSI.Controller.CreateVolume.self, CallTests.creation("pvc-1"))
            fixture.controller.state.withLock { $0.failure = VolumeError(.unavailable, "no monitor answers") }
            _ = try? await fixture.client.call(CSI.Controller.CreateVolume.self, CallTests.creation("pvc-2"))
            _ = try await fixture.post(
                "/csi.v1.Controller/CreateVolume",
                #"{"name":"x","secrets":{"userKey":"TOP-SECRET-KEY"},"#
            )
            let calls = fixture.lines.all.filter { $0.hasPrefix("info call ") }
            #expect(calls.count == 3)
            let first = /info call csi\.method=CreateVolume csi\.request\.name=pvc-1 duration\.ms=\d+ error\.code=ok/
            #expect(calls.first?.wholeMatch(of: first) != nil, "\(calls)")
            #expect(calls[1].hasSuffix("error.code=unavailable error.message=no monitor answers"), "\(calls)")
            #expect(calls[2].hasSuffix("error.code=invalid_argument"), "\(calls)")
            #expect(!fixture.lines.all.contains { $0.contains("TOP-SECRET") })
        }
    }
}
