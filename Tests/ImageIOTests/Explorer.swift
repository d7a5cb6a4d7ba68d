import Glibc
import LinuxKernel

@testable import ImageIO

/// Runs threads one step at a time, in every order.
///
/// A step is one access to an atomic of the engine's (`EngineSteps`), or whatever lies between two calls of `step`. An atomic
/// that one thread alone uses, or that nobody changes, cannot tell one order from another, so it makes no step, unless it is
/// changed and outlives the process. Which are shared is learned from executions in an order by chance; where another turns
/// out to be shared later, all begins again. Threads are real, but only one runs at once, so what is explored is
/// sequentially consistent; ThreadSanitizer looks at the orderings (`StressTests`).
///
/// An execution is repeated from its beginning for each other choice. Where it comes to a state that was seen before, the
/// rest is known: a state is what all atomics and buffers hold, and what each thread was told since it last forgot. Its
/// interleavings are counted all the same.
///
/// Safe to share: only the thread whose turn it is uses it.
final class Explorer: @unchecked Sendable {
    /// What is run again and again; made anew for each execution.
    protocol World: AnyObject {
        /// One for each thread; as many in each execution.
        var threads: [@Sendable () -> Void] { get }
        /// What the state has besides atomics and what threads were told.
        var digest: UInt64 { get }
        /// A name for an atomic that is the same in each execution; nothing for a stranger.
        func name(of place: UnsafeRawPointer) -> UInt64?
        /// Whether an atomic outlives the process, by its name.
        func isLasting(_ name: UInt64) -> Bool
        /// Called before each access, on the thread that makes it.
        func touches(_ place: UnsafeRawPointer, isLoad: Bool)
        /// Called once in each state; nobody runs then.
        func look()
        /// Called when all threads have ended.
        func end()
    }

    /// What was seen.
    private(set) var interleavings = 0.0
    private(set) var states = 0
    private(set) var executions = 0
    private(set) var longest = 0
    /// What was wrong, with the threads' turns that led to it; the exploration ends with the first.
    private(set) var failure: String?

    /// What the threads and the atomics were when there was a choice.
    private struct Knowledge {
        var told: [UInt64] = []
        var values: UInt64 = 0
    }

    /// Who uses an atomic.
    private struct Use {
        var threads: UInt8 = 0
        var isChanged = false
        var isShared: Bool { isChanged && threads & (threads &- 1) != 0 }
    }

    private struct Choice {
        let enabled: [Int]
        let key: UInt64
        let knowledge: Knowledge
        var index = 0
        var interleavings = 0.0
    }

    private var path: [Choice] = []
    private var known: [UInt64: Double] = [:]
    private var uses: [UInt64: Use] = [:]
    /// Whether an atomic turned out to be shared, so that steps were missed.
    private var hasMissedSteps = false
    private var world: (any World)?
    private var bodies: [@Sendable () -> Void] = []
    private var depth = 0
    private var turns: [Int] = []
    private var current = 0
    private var isOver: [Bool] = []
    private var conditions: [(() -> Bool)?] = []
    private var knowledge = Knowledge()
    /// How the execution ended: with how many interleavings; nothing while it goes on.
    private var leaf: Double?
    private var turnstiles: [UnsafeMutablePointer<sem_t>] = []

    /// How many executions in an order by chance come before; what is wrong there is found later.
    private static let scouts = 300
    private var isScouting = false

    /// Explores until all is seen or something is wrong.
    func explore(_ make: () throws -> any World) throws {
        let workers = try startThreads(make().threads.count)
        defer {
            bodies = []
            for number in workers.indices { sem_post(turnstiles[number]) }
            for worker in workers { pthread_join(worker, nil) }
            for turnstile in turnstiles { turnstile.deallocate() }
            (turnstiles, world) = ([], nil)
        }
        isScouting = true
        for number in 0..<Self.scouts {
            executions = number
            execute(try make())
        }
        (isScouting, executions) = (false, 0)
        repeat {
            execute(try make())
            executions += 1
            longest = max(longest, turns.count)
            guard failure == nil else { break }
            guard !hasMissedSteps else {
                (path, known, hasMissedSteps) = ([], [:], false)
                continue
            }
            forgetWhatIsSeen()
        } while !path.isEmpty || known.isEmpty
        states = known.count
    }

    /// Takes the last choice that has something left, and notes for those behind it that they have nothing.
    private func forgetWhatIsSeen() {
        var found = leaf ?? 0
        while var last = path.popLast() {
            last.interleavings += found
            last.index += 1
            guard last.index == last.enabled.count else { return path.append(last) }
            known[last.key] = last.interleavings
            found = last.interleavings
            interleavings = found
        }
    }

    /// While it is set, accesses are no steps: what a world does in `look`, and how it is made.
    private var isPaused = true

    /// The end of the present step of the thread whose turn it is.
    func step() {
        guard !isPaused, leaf == nil else { return }
        yield()
    }

    /// Ends the step, and goes on when the condition holds.
    func wait(until condition: @escaping () -> Bool) {
        guard !condition() else { return }
        conditions[current] = condition
        yield()
    }

    /// The thread whose turn it is learned something without an atomic.
    func tell(_ word: UInt64) {
        guard !isPaused else { return }
        knowledge.told[current] = mix(knowledge.told[current], word)
    }

    /// Nothing that the thread whose turn it is was told before matters to what it does now, but this word.
    func forget(allBut word: UInt64) {
        guard !isPaused else { return }
        knowledge.told[current] = mix(UInt64(current), word)
    }

    /// Something is wrong.
    func fail(_ message: String) {
        guard failure == nil else { return }
        leaf = leaf ?? 0
        guard !isScouting else { return }
        failure = "\(message)\nturns: \(turns.map(String.init).joined())"
    }

    private func access(_ place: UnsafeRawPointer, _ isLoad: Bool) {
        guard !isPaused, let world else { return }
        if leaf == nil {
            guard let name = world.name(of: place) else { return fail("an atomic of nobody's") }
            var use = uses[name] ?? Use()
            let wasShared = use.isShared
            use.threads |= 1 << UInt8(current)
            use.isChanged = use.isChanged || !isLoad
            uses[name] = use
            if use.isShared, !wasShared, !isScouting {
                (hasMissedSteps, leaf) = (true, 0)
            } else if use.isShared || !isLoad && world.isLasting(name) {
                step()
            }
        }
        world.touches(place, isLoad: isLoad)
    }

    private func learn(_ place: UnsafeRawPointer, _ old: UInt64, _ value: UInt64, _ answer: UInt64) {
        // What is repeated is known.
        guard !isPaused, leaf == nil, depth >= path.count, let world else { return }
        tell(answer &+ 1)
        guard old != value else { return }
        guard let name = world.name(of: place) else { return fail("an atomic of nobody's") }
        knowledge.values = knowledge.values &- mix(name, old) &+ mix(name, value)
    }

    private func startThreads(_ count: Int) -> [pthread_t] {
        turnstiles = (0...count).map { _ in
            let turnstile = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
            sem_init(turnstile, 0, 0)
            return turnstile
        }
        return (0..<count).compactMap { number in
            startThread(isJoined: true) { [self] in work(number) }
        }
    }

    private func work(_ number: Int) {
        let steps = EngineSteps(before: { [self] in access($0, $1) }, after: { [self] in learn($0, $1, $2, $3) })
        EngineSteps.ofThisThread = steps
        defer { EngineSteps.ofThisThread = nil }
        while true {
            sem_wait(turnstiles[number])
            guard bodies.indices.contains(number) else { return }
            bodies[number]()
            isOver[number] = true
            hand(to: next())
        }
    }

    private func execute(_ world: any World) {
        self.world = world
        bodies = world.threads
        (depth, turns, leaf) = (0, [], nil)
        isOver = bodies.map { _ in false }
        conditions = bodies.map { _ in nil }
        knowledge = Knowledge(told: bodies.indices.map { UInt64($0) })
        isPaused = false
        hand(to: next())
        sem_wait(turnstiles[bodies.count])
        isPaused = true
        guard failure == nil, leaf == nil else { return }
        world.end()
        leaf = 1
    }

    private func yield() {
        let me = current
        if leaf == nil { tell(0) }
        let next = next()
        guard next != me else { return }
        hand(to: next)
        sem_wait(turnstiles[me])
    }

    private func hand(to thread: Int) {
        current = thread
        sem_post(turnstiles[thread])
    }

    private func isEnabled(_ thread: Int) -> Bool { !isOver[thread] && conditions[thread]?() != false }

    /// Whose turn it is; the number behind the last thread's when all have ended.
    private func next() -> Int {
        if leaf == nil, depth < path.count {
            let choice = path[depth]
            let thread = choice.enabled[choice.index]
            depth += 1
            if depth == path.count { knowledge = choice.knowledge }
            if isEnabled(thread) { return go(thread) }
            fail("an execution is not as it was")
        }
        let enabled = isOver.indices.filter(isEnabled)
        guard !enabled.isEmpty else {
            // One that waits for ever is let go, so that it can be joined.
            guard let stuck = isOver.firstIndex(of: false) else { return isOver.count }
            fail("every thread waits")
            return go(stuck)
        }
        // The rest of an execution that has nothing new.
        guard leaf == nil else { return go(enabled.contains(current) ? current : enabled[0]) }
        guard !isScouting else {
            let chance = mix(UInt64(executions), UInt64(turns.count))
            // Mostly the same thread, or each would come to its end at the same time as the others.
            return go(chance % 4 != 0 && enabled.contains(current) ? current : enabled[Int(chance / 4) % enabled.count])
        }
        let key = key()
        if let known = known[key] {
            leaf = known
            return go(enabled.contains(current) ? current : enabled[0])
        }
        isPaused = true
        world?.look()
        isPaused = false
        path.append(Choice(enabled: enabled, key: key, knowledge: knowledge))
        depth += 1
        return go(enabled[0])
    }

    private func go(_ thread: Int) -> Int {
        conditions[thread] = nil
        turns.append(thread)
        return thread
    }

    private func key() -> UInt64 {
        isPaused = true
        defer { isPaused = false }
        var key = mix(world?.digest ?? 0, knowledge.values)
        for (number, word) in knowledge.told.enumerated() { key = mix(key, isOver[number] ? 1 : word) }
        return key
    }
}

/// Two words in one; a finaliser of MurmurHash3.
func mix(_ one: UInt64, _ other: UInt64) -> UInt64 {
    var word = (one &* 0x9E37_79B9_7F4A_7C15) ^ other
    word = (word ^ (word >> 33)) &* 0xFF51_AFD7_ED55_8CCD
    word = (word ^ (word >> 33)) &* 0xC4CE_B9FE_1A85_EC53
    return word ^ (word >> 33)
}
