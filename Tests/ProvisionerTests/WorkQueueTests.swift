import KubernetesAPI
import Synchronization
import TestSupport
import Testing

@testable import Provisioner

@Suite("The queue of work")
struct WorkQueueTests {
    private final class Log: Sendable {
        let state = Mutex((running: Set<String>(), most: 0, done: [String](), overlaps: 0))

        func work(_ key: String) async {
            state.withLock { state in
                if !state.running.insert(key).inserted { state.overlaps += 1 }
                state.most = max(state.most, state.running.count)
            }
            try? await Task.sleep(for: .milliseconds(2))
            state.withLock { state in
                state.running.remove(key)
                state.done.append(key)
            }
        }
    }

    private let backoff = Backoff(first: .milliseconds(5), longest: .milliseconds(20), jitter: 0)

    @Test("A key is worked on once at a time, and never more keys than allowed")
    func bounds() async throws {
        let log = Log()
        let queue = WorkQueue(parallel: 3, backoff: backoff) { key in
            await log.work(key)
            return .done
        }
        let running = Task { await queue.run() }
        for round in 0..<200 { queue.add("k\(round % 10)") }
        try await eventually("all keys are done") { queue.length == 0 && queue.running == 0 }
        queue.stop()
        await running.value
        let state = log.state.withLock(\.self)
        #expect(state.overlaps == 0)
        #expect(state.most <= 3)
        #expect(Set(state.done).count == 10)
    }

    @Test("A key that is asked for while it is worked on is worked on once more")
    func again() async throws {
        let count = Atomic<Int>(0)
        let queue = WorkQueue(parallel: 4, backoff: backoff) { _ in
            count.add(1, ordering: .relaxed)
            try? await Task.sleep(for: .milliseconds(50))
            return .done
        }
        let running = Task { await queue.run() }
        queue.add("k")
        try await eventually("it runs") { queue.running == 1 }
        queue.add("k")
        queue.add("k")
        try await eventually("it ran twice") { count.load(ordering: .relaxed) == 2 && queue.running == 0 }
        queue.stop()
        await running.value
        #expect(count.load(ordering: .relaxed) == 2)
    }

    @Test("What failed is tried again, at once when somebody asks")
    func retries() async throws {
        let count = Atomic<Int>(0)
        let queue = WorkQueue(parallel: 1, backoff: Backoff(first: .seconds(60), longest: .seconds(60))) { _ in
            count.add(1, ordering: .relaxed).newValue < 3 ? .retry : .done
        }
        let running = Task { await queue.run() }
        queue.add("k")
        try await eventually("it waits") { queue.delayed == 1 }
        queue.add("k")
        try await eventually("it was tried") { count.load(ordering: .relaxed) == 2 && queue.delayed == 1 }
        queue.add("k")
        try await eventually("it is done") { count.load(ordering: .relaxed) == 3 && queue.delayed == 0 }
        queue.stop()
        await running.value
    }

    @Test("What failed comes again by itself after its wait")
    func waits() async throws {
        let count = Atomic<Int>(0)
        let queue = WorkQueue(parallel: 1, backoff: backoff) { _ in
            count.add(1, ordering: .relaxed).newValue < 5 ? .retry : .done
        }
        let running = Task { await queue.run() }
        queue.add("k")
        try await eventually("it is done") { count.load(ordering: .relaxed) == 5 }
        queue.stop()
        await running.value
    }
}
