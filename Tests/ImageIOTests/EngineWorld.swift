import Synchronization

@testable import ImageIO

/// An engine with a small table, threads that send it requests, and threads of a cluster that carry them out.
///
/// Safe to share: the explorer has one thread at a time use it.
final class EngineWorld: Explorer.World, @unchecked Sendable {
    struct Scenario {
        /// What is asked for before there are threads.
        var before: [(number: Int, request: RequestHistory.Request)] = []
        /// What each thread of the front asks for then, in its order; all numbers together are 1, 2, ….
        var fronts: [[(number: Int, request: RequestHistory.Request)]]
        /// The second of two carries out the newest call first.
        var clusterThreads = 1
        var writesAtOnce = 512

        var requests: [Int: RequestHistory.Request] {
            Dictionary(uniqueKeysWithValues: (before + fronts.joined()).map { ($0.number, $0.request) })
        }
    }

    static let places = 4
    static let imageBytes = 48

    let file: MemoryFile
    private let scenario: Scenario
    let explorer: Explorer
    private let crashes: Crashes
    private let mistake: Mistake?
    /// While it makes the mistake.
    private var isMistaken = false
    private(set) lazy var image = PlainImage([UInt8](repeating: 0, count: Self.imageBytes)) { [unowned self] in
        history.areConcurrent(Int($0.tag), Int($1.tag))
    }
    private var history: RequestHistory
    private var frontsOver = 0
    private(set) var engine: ImageIOEngine?
    private var regions: [(begin: UInt, end: UInt, name: UInt64)] = []

    init(_ scenario: Scenario, _ explorer: Explorer, _ crashes: Crashes, _ mistake: Mistake? = nil) throws {
        (self.scenario, self.explorer, self.crashes, self.mistake) = (scenario, explorer, crashes, mistake)
        history = RequestHistory(scenario.requests)
        file = try MemoryFile(places: Self.places)
        let engine = ImageIOEngine(
            target: image,
            memory: file.memory,
            acknowledgesEarly: true,
            hasJournal: false,
            writesAtOnce: scenario.writesAtOnce
        ) { [unowned self] in answer($0) }
        self.engine = engine
        func add(_ begin: UnsafeRawPointer, _ count: Int) {
            let begin = UInt(bitPattern: begin)
            regions.append((begin, begin + UInt(count), UInt64(regions.count) << 32))
        }
        func add(_ object: AnyObject) {
            // Its own atomics lie within it.
            add(Unmanaged.passUnretained(object).toOpaque(), 512)
        }
        add(file.base, file.bytes)
        add(engine.slots, Self.places * MemoryLayout<IORequest.Slot>.stride)
        add(engine)
        add(engine.postponed)
        add(engine.postponed.words, Self.places * MemoryLayout<StepAtomic<UInt64>>.stride)
        add(engine.blocks)
        add(engine.blocks.counts, MemoryLayout<StepAtomic<UInt16>>.stride << 16)
        regions.sort { $0.begin > $1.begin }
        for (number, asked) in scenario.before {
            history.begin(number)
            submit(number, asked)
        }
    }

    var threads: [@Sendable () -> Void] {
        scenario.fronts.map { requests in { @Sendable in self.runFront(requests) } }
            + (0..<scenario.clusterThreads).map { number in { @Sendable in self.runCluster(newest: number == 1) } }
    }

    private func runFront(_ requests: [(number: Int, request: RequestHistory.Request)]) {
        for (place, (number, asked)) in requests.enumerated() {
            explorer.forget(allBut: UInt64(place))
            explorer.step()
            if asked.kind == .flush {
                let earlier = requests[..<place].map(\.number)
                explorer.wait { [self] in earlier.allSatisfy { history.answered & 1 << $0 != 0 } }
            }
            history.begin(number)
            submit(number, asked)
        }
        frontsOver += 1
    }

    private func submit(_ number: Int, _ asked: RequestHistory.Request) {
        guard let engine else { return }
        let kind: IOKind =
            switch asked.kind {
            case .read: .read
            case .flush: .flush
            case .write, .durableWrite: .write
            }
        let (offset, length) = (UInt64(asked.range.lowerBound), UInt64(asked.range.count))
        let request = engine.take(kind, offset: offset, length: length, owner: 0, tag: UInt64(number))
        explorer.forget(allBut: UInt64(number) << 32 | UInt64(request.index))
        func fill() {
            let bytes = UnsafeMutableRawBufferPointer(start: request.buffer, count: asked.range.count)
            for index in bytes.indices {
                if index == bytes.count / 2 { explorer.step() }
                bytes[index] = UInt8(number)
            }
        }
        if kind == .write, mistake != .bytesTooLate { fill() }
        if engine.submit(request, isDurable: asked.kind == .durableWrite) == .acknowledged { note(answer: number) }
        if kind == .write, mistake == .bytesTooLate { fill() }
    }

    private func answer(_ request: IORequest) {
        let number = Int(request.tag)
        if request.result < 0 { explorer.fail("request \(number) failed: \(request.result)") }
        if request.kind == .read {
            let bytes = Array(UnsafeRawBufferPointer(start: request.buffer, count: Int(request.length)))
            check("read \(number)", bytes, at: Int(request.offset), certain: history.begun[number] ?? 0)
        } else if request.kind == .flush {
            check("flush \(number)", image.bytes, at: 0, certain: history.begun[number] ?? 0)
        }
        note(answer: number)
        request.release()
    }

    private func note(answer number: Int) {
        if !history.answer(number) { explorer.fail("request \(number) was answered twice") }
    }

    private func check(_ what: String, _ bytes: [UInt8], at begin: Int, certain: UInt64) {
        if let fault = history.fault(of: bytes, at: begin, certain: certain) { explorer.fail("\(what): \(fault)") }
    }

    private func runCluster(newest: Bool) {
        while true {
            explorer.forget(allBut: 0)
            explorer.wait { [self] in
                !image.waiting.isEmpty || frontsOver == scenario.fronts.count && image.underWay.isEmpty
            }
            guard let call = image.take(newest: newest) else { return }
            explorer.tell(call.digest)
            explorer.step()
            image.end(call)
        }
    }

    func name(of place: UnsafeRawPointer) -> UInt64? {
        let place = UInt(bitPattern: place)
        // Of two that are near, the nearer one is meant.
        for region in regions where region.begin <= place && place < region.end {
            return region.name + UInt64(place - region.begin)
        }
        return nil
    }

    func isLasting(_ name: UInt64) -> Bool { name >> 32 == 0 }

    func touches(_ place: UnsafeRawPointer, isLoad: Bool) {
        guard let mistake, !isMistaken else { return }
        isMistaken = true
        defer { isMistaken = false }
        make(mistake, at: place, isLoad: isLoad)
    }

    var digest: UInt64 {
        guard let engine else { return 0 }
        var word = mix(mix(image.digest, history.digest), UInt64(frontsOver))
        for index in 0..<Self.places {
            let slot = engine.slots + index
            word = mix(word, slot.pointee.offset << 32 | slot.pointee.length << 8 | UInt64(slot.pointee.kind.rawValue))
            word = mix(word, UInt64(slot.pointee.joined) << 32 | (slot.pointee.isAcknowledged ? 1 : 0))
            word = mix(word, slot.pointee.sequence)
        }
        return mix(word, file.digest)
    }

    func look() {
        if let fault = image.fault { return explorer.fail(fault) }
        do {
            if let fault = try crashes.fault(after: file, image, history) { explorer.fail("killed here, \(fault)") }
        } catch { explorer.fail("\(error)") }
    }

    func end() {
        guard let engine else { return }
        if let fault = image.fault { explorer.fail(fault) }
        if !history.unanswered.isEmpty { explorer.fail("requests \(history.unanswered) were never answered") }
        check("at the end", image.bytes, at: 0, certain: ~0)
        let statistics = engine.statistics
        let isClean =
            statistics.inFlight == 0 && statistics.unstableBytes == 0 && engine.postponed.count == 0
            && engine.changes.load(ordering: .relaxed) == 0 && file.sequences.allSatisfy { $0 == 0 }
        if !isClean { explorer.fail("a request was lost: \(statistics), \(file.sequences)") }
        self.engine = nil
    }
}
