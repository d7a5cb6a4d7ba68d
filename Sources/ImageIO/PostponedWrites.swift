internal import Synchronization

/// The acknowledged writes that have not been started, by their places in the engine's table.
///
/// Each word is the sequence number of the write that is postponed at that index, or 0. The thread that changes the word to
/// 0 owns the write, so each write is started once.
///
/// Safe to share: the words never move and are atomics.
final class PostponedWrites: @unchecked Sendable {
    let words: UnsafeMutablePointer<StepAtomic<UInt64>>
    private let places: Int
    private let size = StepAtomic<Int>(0)

    init(places: Int) {
        self.places = places
        words = .allocate(capacity: places)
        for place in 0..<places { (words + place).initialize(to: StepAtomic(0)) }
    }

    deinit {
        words.deinitialize(count: places)
        words.deallocate()
    }

    /// How many there are; sequentially consistent, so that a thread that postpones a write and one that ends a write see
    /// each other's change.
    var count: Int { size.load(ordering: .sequentiallyConsistent) }

    /// The sequence number of the write that is postponed at a place, or 0.
    func sequence(at place: Int) -> UInt64 { words[place].load(ordering: .acquiring) }

    /// Postpones a write.
    func postpone(_ sequence: UInt64, at place: Int) {
        words[place].store(sequence, ordering: .sequentiallyConsistent)
        size.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }

    /// Takes a write; whether it was still postponed.
    func take(_ sequence: UInt64, at place: Int) -> Bool {
        guard sequence != 0 else { return false }
        let outcome = words[place].compareExchange(expected: sequence, desired: 0, ordering: .acquiringAndReleasing)
        guard outcome.exchanged else { return false }
        size.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        return true
    }

    /// Takes the oldest write and returns its place.
    func takeOldest() -> Int? {
        while count > 0 {
            var (found, oldest) = (-1, UInt64.max)
            for place in 0..<places {
                let sequence = words[place].load(ordering: .acquiring)
                if sequence != 0, sequence < oldest { (found, oldest) = (place, sequence) }
            }
            guard found >= 0 else { return nil }
            if take(oldest, at: found) { return found }
        }
        return nil
    }
}
