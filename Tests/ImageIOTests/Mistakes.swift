import Synchronization

@testable import ImageIO

/// What an engine could do wrong; a check that does not find it proves nothing.
enum Mistake: CaseIterable {
    /// A change is in the table before its place is.
    case enteredTooEarly
    /// An acknowledged write has no mark, so a successor leaves it.
    case unmarked
    /// A write is acknowledged before its bytes are there.
    case bytesTooLate
    /// A change leaves the table when it is sent, not when it has ended.
    case withdrawnWhenSent
    /// Nobody sees that a change is on its range.
    case unordered
    /// A request that waits for a change is not started when that ends.
    case waiterForgotten
    /// A postponed write is not started.
    case postponedForgotten
    /// A write that an earlier, postponed one takes in ends before its bytes are copied.
    case endedBeforeTaken
    /// A successor writes the newest again first.
    case newestFirst

    /// Which of `InterleavingTests.cases` it shows in.
    var caseNumber: Int {
        switch self {
        case .enteredTooEarly: 5
        case .unmarked, .bytesTooLate, .newestFirst, .unordered, .withdrawnWhenSent: 0
        case .waiterForgotten: 2
        case .postponedForgotten, .endedBeforeTaken: 6
        }
    }

    /// A part of what is said of it.
    var finding: String {
        switch self {
        case .enteredTooEarly: "which nobody wrote"
        case .unmarked, .withdrawnWhenSent, .newestFirst: "was written after it"
        case .bytesTooLate, .endedBeforeTaken: "killed here"
        case .unordered: "two calls at once"
        case .waiterForgotten: "never answered"
        case .postponedForgotten: "at the end"
        }
    }
}

extension EngineWorld {
    /// Does what the mistaken engine does when it comes to the atomic at a place.
    func make(_ mistake: Mistake, at place: UnsafeRawPointer, isLoad: Bool) {
        guard let engine else { return }
        let memory = file.memory
        // What it looks at to know where it is, is no step.
        let steps = EngineSteps.ofThisThread
        EngineSteps.ofThisThread = nil
        let entries = file.sequences
        let postponed = (0..<Self.places).map { engine.postponed.sequence(at: $0) }
        let offsets = (0..<Self.places).map { memory.offset(of: $0).pointee.load(ordering: .relaxed) }
        EngineSteps.ofThisThread = steps
        for index in 0..<Self.places {
            let slot = engine.slots + index
            let entry = memory.sequence(of: index)
            let isEntered = entries[index] != 0
            switch mistake {
            case .enteredTooEarly:
                guard !isLoad, place == UnsafeRawPointer(memory.offset(of: index)), !isEntered else { continue }
                entry.pointee.store(slot.pointee.sequence, ordering: .relaxed)
                explorer.step()
            case .unmarked:
                guard place == UnsafeRawPointer(entry), !isEntered else { continue }
                let length = memory.length(of: index)
                length.pointee.store(slot.pointee.length, ordering: .relaxed)
            case .unordered:
                guard place == UnsafeRawPointer(entry), !isEntered else { continue }
                engine.blocks.remove(slot.pointee.offset, slot.pointee.offset + slot.pointee.length)
            case .withdrawnWhenSent:
                guard isEntered, image.waiting.contains(where: { $0.request.index == index }) else { continue }
                entry.pointee.store(0, ordering: .relaxed)
            case .waiterForgotten:
                guard isEntered, image.underWay.isEmpty, image.waiting.isEmpty else { continue }
                slot.pointee.waiting.store(WaitList.empty(slot.pointee.sequence), ordering: .relaxed)
            case .postponedForgotten:
                guard postponed[index] != 0, image.underWay.isEmpty, image.waiting.isEmpty else { continue }
                _ = engine.postponed.take(postponed[index], at: index)
            case .endedBeforeTaken:
                guard place == UnsafeRawPointer(memory.buffer(of: index)) else { continue }
                for later in 0..<Self.places where offsets[later] == slot.pointee.offset && later != index {
                    memory.sequence(of: later).pointee.store(0, ordering: .relaxed)
                }
            case .bytesTooLate, .newestFirst: return
            }
        }
    }
}
