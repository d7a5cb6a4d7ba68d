internal import Synchronization

// The order of changes: which requests overlap, and which wait.
//
// A change is in the shared table from `publish` to `withdraw`; its sequence number is written last and removed first.
// A later request that overlaps it adds itself to its list of waiting requests. When the change ends, the list is
// closed, and the requests in it check again. No lock is taken. A list's word names its owner, so that no request joins
// the list of the next user of the same table entry.
extension ImageIOEngine {
    /// Enters a change into the table, so that later requests keep their order and a successor finds it.
    func publish(_ slot: UnsafeMutablePointer<IORequest.Slot>) {
        let index = slot.pointee.index
        let mark = slot.pointee.isAcknowledged ? SharedRequestMemory.acknowledgedBit : 0
        memory.offset(of: index).pointee.store(slot.pointee.offset, ordering: .relaxed)
        memory.length(of: index).pointee.store(slot.pointee.length | mark, ordering: .relaxed)
        slot.pointee.waiting.store(WaitList.empty(slot.pointee.sequence), ordering: .relaxed)
        changes.wrappingAdd(1, ordering: .relaxed)
        blocks.add(slot.pointee.offset, slot.pointee.offset &+ slot.pointee.length)
        memory.sequence(of: index).pointee.store(slot.pointee.sequence, ordering: .sequentiallyConsistent)
    }

    /// Removes an ended change from the table and returns the first request that waits for it.
    func withdraw(_ slot: UnsafeMutablePointer<IORequest.Slot>) -> UInt32 {
        memory.sequence(of: slot.pointee.index).pointee.store(0, ordering: .releasing)
        blocks.remove(slot.pointee.offset, slot.pointee.offset &+ slot.pointee.length)
        changes.wrappingSubtract(1, ordering: .relaxed)
        return WaitList.first(slot.pointee.waiting.exchange(WaitList.closed, ordering: .acquiringAndReleasing))
    }

    /// Starts a request, or adds it to the list of an earlier one that it must wait for.
    func advance(_ slot: UnsafeMutablePointer<IORequest.Slot>) {
        while changes.load(ordering: .acquiring) > 0, let (earlier, sequence) = obstacle(slot) {
            guard !absorb(slot, into: earlier, sequence) else { return }
            urge(earlier, sequence)
            var word = earlier.pointee.waiting.load(ordering: .acquiring)
            while !WaitList.isClosed(word), WaitList.belongs(word, to: sequence) {
                slot.pointee.next.store(WaitList.first(word), ordering: .relaxed)
                let outcome = earlier.pointee.waiting.weakCompareExchange(
                    expected: word,
                    desired: WaitList.adding(slot.pointee.index, to: word),
                    ordering: .acquiringAndReleasing
                )
                if outcome.exchanged { return }
                word = outcome.original
            }
            // That change has ended meanwhile; look for another one.
        }
        startOrPostpone(slot)
    }

    /// The latest change before this request that it must wait for, with its sequence number.
    ///
    /// A flush waits for each acknowledged write before it; another request for those changes that it overlaps.
    private func obstacle(
        _ slot: UnsafeMutablePointer<IORequest.Slot>
    ) -> (UnsafeMutablePointer<IORequest.Slot>, UInt64)? {
        let (sequence, kind) = (slot.pointee.sequence, slot.pointee.kind)
        let begin = slot.pointee.offset
        let end = begin + slot.pointee.length
        guard kind == .flush || blocks.mayChange(begin, end, isAdded: kind != .read) else { return nil }
        var found = -1
        var latest: UInt64 = 0
        for index in 0..<memory.count {
            let other = memory.sequence(of: index).pointee.load(ordering: .acquiring)
            guard other > latest, other < sequence else { continue }
            let length = memory.length(of: index).pointee.load(ordering: .relaxed)
            if kind == .flush {
                guard length & SharedRequestMemory.acknowledgedBit != 0 else { continue }
            } else {
                let offset = memory.offset(of: index).pointee.load(ordering: .relaxed)
                guard offset < end, begin < offset + (length & ~SharedRequestMemory.acknowledgedBit) else { continue }
            }
            (found, latest) = (index, other)
        }
        guard found >= 0 else { return nil }
        if !slot.pointee.isCounted {
            slot.pointee.isCounted = true
            if kind != .flush { memory.counter(.waitedForWrites).pointee.add(1, ordering: .relaxed) }
        }
        return (slots + found, latest)
    }
}
