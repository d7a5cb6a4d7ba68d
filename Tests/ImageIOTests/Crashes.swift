import Glibc
import LinuxKernel
import Synchronization
import SystemPackage

@testable import ImageIO

/// The memory that the servers of an image share, with a small table.
final class MemoryFile {
    let memory: SharedRequestMemory
    let bytes: Int
    private let descriptor: OwnedDescriptor

    private static let longest = 4096

    init(places: Int) throws {
        let bytes = SharedRequestMemory.fileBytes(count: places, longestTransfer: Self.longest)
        descriptor = try .sharedMemory("nacre-test", bytes: bytes)
        guard
            let memory = SharedRequestMemory(
                descriptor: descriptor.rawValue,
                count: places,
                longestTransfer: Self.longest
            )
        else { throw Errno.noMemory }
        (self.memory, self.bytes) = (memory, Int(bytes))
    }

    /// A copy, which another server can have.
    func copied() throws -> MemoryFile {
        let copy = try MemoryFile(places: memory.count)
        UnsafeMutableRawPointer(mutating: copy.base).copyMemory(from: base, byteCount: bytes)
        return copy
    }

    var base: UnsafeRawPointer { UnsafeRawPointer(memory.sequence) - 24 }

    /// The sequence number of each place of the table.
    var sequences: [UInt64] { (0..<memory.count).map { memory.sequence(of: $0).pointee.load(ordering: .relaxed) } }

    /// The mistake of a server that writes the newest again first.
    func reverseOrder() {
        let numbers = sequences.filter { $0 != 0 }
        let order = Dictionary(uniqueKeysWithValues: zip(numbers.sorted(), numbers.sorted().reversed()))
        for index in 0..<memory.count {
            let word = memory.sequence(of: index)
            word.pointee.store(order[word.pointee.load(ordering: .relaxed)] ?? 0, ordering: .relaxed)
        }
    }

    /// A word for what a successor reads.
    var digest: UInt64 {
        var word: UInt64 = 0
        for index in 0..<memory.count {
            word = mix(word, memory.sequence(of: index).pointee.load(ordering: .relaxed))
            word = mix(word, memory.offset(of: index).pointee.load(ordering: .relaxed))
            word = mix(word, memory.length(of: index).pointee.load(ordering: .relaxed))
            let buffer = memory.buffer(of: index)
            for place in 0..<EngineWorld.imageBytes / 8 {
                word = mix(word, buffer.load(fromByteOffset: 8 * place, as: UInt64.self))
            }
        }
        return word
    }
}

/// What comes after a server has died: its successor writes again what it had acknowledged, and is killed in its turn.
final class Crashes {
    /// How many different deaths were looked at, those of successors included.
    private(set) var count = 0
    private var known: Set<UInt64> = []
    private let mistake: Mistake?

    init(_ mistake: Mistake? = nil) { self.mistake = mistake }

    /// What is wrong if the server dies now, or nothing.
    func fault(after file: MemoryFile, _ image: PlainImage, _ history: RequestHistory) throws -> String? {
        try fault(after: file, image, history, isFirst: true)
    }

    private func fault(
        after file: MemoryFile,
        _ image: PlainImage,
        _ history: RequestHistory,
        isFirst: Bool
    ) throws -> String? {
        let key = mix(mix(mix(file.digest, image.digest), history.digest), isFirst ? 1 : 2)
        guard known.insert(key).inserted else { return nil }
        for bytes in image.afterDeath {
            count += 1
            let successor = try Successor(file, bytes, history)
            if mistake == .newestFirst { successor.file.reverseOrder() }
            let fault = try successor.fault { [self] in
                guard isFirst else { return nil }
                return try self.fault(after: successor.file, successor.image, successor.history, isFirst: false)
            }
            if let fault { return "\(isFirst ? "a successor" : "its successor"): \(fault)" }
        }
        return nil
    }
}

/// A server after one that has died.
///
/// Safe to share: the explorer has one thread at a time use it.
final class Successor: @unchecked Sendable {
    let file: MemoryFile
    let image: PlainImage
    private(set) var history: RequestHistory
    private var engine: ImageIOEngine?
    private var fault: String?

    // Copies the dead one's memory; the image is what it left, the history what callers were told by it.
    init(_ file: MemoryFile, _ bytes: [UInt8], _ history: RequestHistory) throws {
        self.file = try file.copied()
        image = PlainImage(bytes)
        self.history = history
    }

    // Writes again, gets again what was not answered, and looks at the image after each; says what is wrong, or nothing.
    // `look` is called before each step of writing again.
    func fault(look: () throws -> String?) throws -> String? {
        try withoutActuallyEscaping(look) { look in
            try writeAgain(look)
        }
        fault = fault ?? image.fault
        fault = fault ?? history.fault(of: image.bytes, at: 0, certain: history.answered).map { "written again, \($0)" }
        for number in history.unanswered where fault == nil { sendAgain(number) }
        carryOut()
        fault = fault ?? image.fault
        fault = fault ?? history.fault(of: image.bytes, at: 0, certain: ~0).map { "sent again, \($0)" }
        if fault == nil, !history.unanswered.isEmpty { fault = "requests \(history.unanswered) were never answered" }
        if fault == nil, file.sequences.contains(where: { $0 != 0 }) { fault = "the table holds \(file.sequences)" }
        engine = nil
        return fault
    }

    private func writeAgain(_ look: @escaping () throws -> String?) throws {
        let outer = EngineSteps.ofThisThread
        defer { EngineSteps.ofThisThread = outer }
        EngineSteps.ofThisThread = nil
        let engine = ImageIOEngine(
            target: image,
            memory: file.memory,
            acknowledgesEarly: true,
            hasJournal: false,
            writesAtOnce: 512
        ) {
            [unowned self] in answer($0)
        }
        self.engine = engine
        var failure: (any Error)?
        var own: EngineSteps?
        own = EngineSteps(
            before: { [self] _, _ in
                EngineSteps.ofThisThread = nil
                do { fault = try fault ?? look() } catch { failure = error }
                EngineSteps.ofThisThread = own
            },
            after: { _, _, _, _ in }
        )
        EngineSteps.ofThisThread = own
        _ = engine.writeAgain()
        carryOut()
        own = nil
        if let failure { throw failure }
    }

    private func carryOut() {
        while let call = image.take(newest: false) { image.end(call) }
    }

    private func sendAgain(_ number: Int) {
        guard let engine, let asked = history.requests[number] else { return }
        let kind: IOKind =
            switch asked.kind {
            case .read: .read
            case .flush: .flush
            case .write, .durableWrite: .write
            }
        let (offset, length) = (UInt64(asked.range.lowerBound), UInt64(asked.range.count))
        let request = engine.take(kind, offset: offset, length: length, owner: 0, tag: UInt64(number))
        if kind == .write { memset(request.buffer, CInt(number), asked.range.count) }
        let outcome = engine.submit(request, isDurable: asked.kind == .durableWrite)
        if outcome == .acknowledged { note(answer: number) }
    }

    private func answer(_ request: IORequest) {
        if request.result < 0 { fault = fault ?? "request \(request.tag) failed: \(request.result)" }
        note(answer: Int(request.tag))
        request.release()
    }

    private func note(answer number: Int) {
        if !history.answer(number) { fault = fault ?? "request \(number) was answered twice" }
    }
}
