import Curl
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing
import VolumeServer

@Suite("Liveness")
struct LivenessTests {
    @Test("A loop that says nothing for longer than its limit is named, one that ended or never began is not")
    func stalls() {
        let time = Mutex(ContinuousClock.now)
        let liveness = Liveness(now: { time.withLock(\.self) })
        let (quick, slow) = (liveness.loop("quick", limit: .seconds(10)), liveness.loop("slow", limit: .seconds(100)))
        _ = liveness.loop("never begun", limit: .seconds(1))
        let ended = liveness.loop("ended", limit: .seconds(1))
        quick.goesOn()
        slow.goesOn()
        ended.goesOn()
        ended.rests()
        #expect(liveness.stalls.isEmpty)
        time.withLock { $0 += .seconds(11) }
        #expect(liveness.stalls.map(\.loop) == ["quick"] && liveness.stalls[0].silence == .seconds(11))
        time.withLock { $0 += .seconds(90) }
        #expect(liveness.stalls.map(\.loop) == ["quick", "slow"])
        quick.goesOn()
        slow.goesOn()
        #expect(liveness.stalls.isEmpty)
    }

    @Test("/livez is 503 with the name of the loop that hangs, 200 when it goes on, whatever /healthz says")
    func livez() async throws {
        let time = Mutex(ContinuousClock.now)
        let liveness = Liveness(now: { time.withLock(\.self) })
        let loop = liveness.loop("the queue of claims", limit: .seconds(60))
        let sick = Health([Health.Part("cluster/c1", isWell: false, message: "away")])
        try await Fixture.with(health: { sick }, liveness: liveness) { fixture in
            expect(200, try await fixture.get("/livez"))
            loop.goesOn()
            expect(200, try await fixture.get("/livez"))
            time.withLock { $0 += .seconds(61) }
            let answer = try await fixture.get("/livez")
            expect(503, answer)
            #expect(String(decoding: answer.body, as: UTF8.self).contains("the queue of claims"))
            loop.goesOn()
            expect(200, try await fixture.get("/livez"))
            expect(503, try await fixture.get("/healthz"))
        }
    }
}
