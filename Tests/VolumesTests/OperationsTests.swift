import Synchronization
import Testing
import Volumes

@Suite("Operations under way")
struct OperationsTests {
    /// Lets an operation wait until the test opens the gate.
    final class Gate: Sendable {
        private let state = Mutex<(isOpen: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

        func open() {
            let waiters = state.withLock { state in
                state.isOpen = true
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }

        func pass() async {
            await withCheckedContinuation { continuation in
                let isOpen = state.withLock { state in
                    if !state.isOpen { state.waiters.append(continuation) }
                    return state.isOpen
                }
                if isOpen { continuation.resume() }
            }
        }
    }

    /// Counts the runs of an operation.
    final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func next() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }
    }

    @Test("Equal calls share one run, others wait for their turn")
    func joins() async throws {
        let operations = Operations()
        let gate = Gate()
        let runs = Counter()
        let callers = Counter()
        let end = ContinuousClock.now + .seconds(60)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    _ = callers.next()
                    return try await operations.run("create 'a'", on: "a", fingerprint: "create", deadline: end) {
                        () async throws(VolumeError) in
                        await gate.pass()
                        return runs.next()
                    }
                }
            }
            while operations.underWay.isEmpty { await Task.yield() }
            group.addTask {
                _ = callers.next()
                return try await operations.run("delete 'a'", on: "a", fingerprint: "delete", deadline: end) {
                    () async throws(VolumeError) in 100 + runs.value
                }
            }
            while callers.value < 11 { try await Task.sleep(for: .milliseconds(1)) }
            // The time between a caller's count and its place in the queue.
            try await Task.sleep(for: .milliseconds(200))
            gate.open()
            var results: [Int] = []
            for try await result in group { results.append(result) }
            #expect(results.sorted() == Array(repeating: 1, count: 10) + [101])
        }
        #expect(operations.underWay.isEmpty)
    }

    @Test("A deadline tells step and age, the operation goes on, and a retry joins it")
    func deadline() async throws {
        let operations = Operations()
        let gate = Gate()
        let runs = Counter()
        @Sendable func create(_ limit: Duration) async throws -> Int {
            try await operations.run("create 'a'", on: "a", fingerprint: "c", deadline: .now + limit) {
                () async throws(VolumeError) in
                enter(VolumeStep.creatingImage, "rbd/a")
                await gate.pass()
                return runs.next()
            }
        }
        await #expect {
            _ = try await create(.milliseconds(50))
        } throws: { error in
            guard let error = error as? VolumeError else { return false }
            return error.code == .deadlineExceeded && error.message.contains("creating image 'rbd/a' for ")
        }
        let joined = Task { try await create(.seconds(20)) }
        try await Task.sleep(for: .milliseconds(20))
        gate.open()
        #expect(try await joined.value == 1)
    }

    @Test("A call behind another one is told whom it waits for")
    func busy() async throws {
        let operations = Operations()
        let gate = Gate()
        defer { gate.open() }
        let first = Task {
            try await operations.run(
                "expand 'a'",
                on: "a",
                fingerprint: "e",
                deadline: .now + .seconds(20),
                obstacle: { "pool 'p' is full" }
            ) { () async throws(VolumeError) in await gate.pass() }
        }
        while operations.underWay.isEmpty { await Task.yield() }
        await #expect {
            try await operations.run("delete 'a'", on: "a", fingerprint: "d", deadline: .now + .milliseconds(50)) {
                () async throws(VolumeError) in
            }
        } throws: { error in
            guard let error = error as? VolumeError else { return false }
            return error.code == .aborted && error.message.contains("expand 'a' has been under way")
                && error.message.contains("; pool 'p' is full; retry")
        }
        gate.open()
        try await first.value
    }

    @Test(
        "What stands in the way is asked for before the deadline, and a silent answer is not waited for",
        .timeLimit(.minutes(5))
    )
    func obstacleInTime() async throws {
        for isTold in [true, false] {
            let operations = Operations()
            let (gate, silence) = (Gate(), Gate())
            // Whoever waits for the silent answer waits for ever.
            defer { silence.open() }
            defer { gate.open() }
            await #expect {
                try await operations.run(
                    "x",
                    on: "k",
                    fingerprint: "f",
                    deadline: .now + .seconds(4),
                    obstacle: {
                        if !isTold { await silence.pass() }
                        return "pool 'p' is full"
                    }
                ) { () async throws(VolumeError) in await gate.pass() }
            } throws: { error in
                guard let error = error as? VolumeError else { return false }
                return error.code == .deadlineExceeded && error.message.contains("pool 'p' is full") == isTold
            }
        }
    }

    @Test("A failure reaches everybody who joined, and the next call starts afresh")
    func failure() async throws {
        let operations = Operations()
        for round in 0..<3 {
            await #expect(throws: VolumeError.self) {
                try await operations.run("x", on: "k", fingerprint: "f", deadline: .now + .seconds(5)) {
                    () async throws(VolumeError) in throw .invalid("round \(round)")
                }
            }
        }
        #expect(operations.underWay.isEmpty)
    }

    @Test("A caller whose task is cancelled stops waiting at once")
    func cancellation() async throws {
        let operations = Operations()
        let gate = Gate()
        defer { gate.open() }
        let caller = Task {
            try await operations.run("x", on: "k", fingerprint: "f", deadline: .now + .seconds(60)) {
                () async throws(VolumeError) in await gate.pass()
            }
        }
        while operations.underWay.isEmpty { await Task.yield() }
        caller.cancel()
        let before = ContinuousClock.now
        _ = await caller.result
        #expect(.now - before < .seconds(10))
    }
}
