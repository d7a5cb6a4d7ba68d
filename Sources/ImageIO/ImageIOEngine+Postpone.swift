internal import Glibc
internal import Synchronization

// Acknowledged writes that exceed the number that is worth sending at once.
//
// No caller waits for them, so they are postponed until another write has ended; the oldest is started first. Meanwhile the
// same range may be written again, and neighbouring writes may arrive. One write is then sent for all of them and costs
// the cluster about as much as one of 4 KiB. A request that must wait for a postponed write starts it.
extension ImageIOEngine {
    /// How far from a write its neighbours are searched, in bytes on either side.
    private static let reach: UInt64 = 64 << 10
    private static let mostJoined = 16

    /// Starts a request, unless it is an acknowledged write that should be postponed.
    func startOrPostpone(_ slot: UnsafeMutablePointer<IORequest.Slot>) {
        guard slot.pointee.isAcknowledged else { return start(slot) }
        guard writesUnderWay.load(ordering: .relaxed) >= writesAtOnce else {
            writesUnderWay.wrappingAdd(1, ordering: .sequentiallyConsistent)
            return start(slot)
        }
        postponed.postpone(slot.pointee.sequence, at: slot.pointee.index)
        startPostponed()
    }

    /// Starts postponed writes while there is room for them.
    func startPostponed() {
        while postponed.count > 0, writesUnderWay.load(ordering: .sequentiallyConsistent) < writesAtOnce {
            guard let place = postponed.takeOldest() else { return }
            startJoined(slots + place)
        }
    }

    /// Starts a write now if it is postponed, because another request waits for it.
    func urge(_ slot: UnsafeMutablePointer<IORequest.Slot>, _ sequence: UInt64) {
        guard postponed.count > 0, postponed.take(sequence, at: slot.pointee.index) else { return }
        startJoined(slot)
    }

    /// Copies the bytes of an acknowledged write into an earlier, postponed write to the same range.
    ///
    /// If the process is killed during the copy, the earlier write is torn. The successor then writes the later one,
    /// which is complete, after it.
    ///
    /// - Returns: Whether it did; then the later one has ended.
    func absorb(
        _ slot: UnsafeMutablePointer<IORequest.Slot>,
        into earlier: UnsafeMutablePointer<IORequest.Slot>,
        _ sequence: UInt64
    ) -> Bool {
        guard slot.pointee.isAcknowledged, postponed.count > 0,
            postponed.sequence(at: earlier.pointee.index) == sequence
        else {
            return false
        }
        let place = extent(of: earlier.pointee.index)
        guard place.begin == slot.pointee.offset, place.end == slot.pointee.offset + slot.pointee.length,
            postponed.take(sequence, at: earlier.pointee.index)
        else { return false }
        copyInSteps(slot.pointee.buffer, to: earlier.pointee.buffer, count: Int(slot.pointee.length))
        postponed.postpone(sequence, at: earlier.pointee.index)
        memory.counter(.joinedWrites).pointee.add(1, ordering: .relaxed)
        end(slot, 0)
        startPostponed()
        return true
    }

    /// Starts a write that was taken, together with its postponed neighbours.
    private func startJoined(_ slot: UnsafeMutablePointer<IORequest.Slot>) {
        writesUnderWay.wrappingAdd(1, ordering: .sequentiallyConsistent)
        let (first, count) = join(slot)
        guard count > 1 else { return start(slot) }
        memory.counter(.joinedWrites).pointee.add(UInt64(count - 1), ordering: .relaxed)
        let result = withUnsafeTemporaryAllocation(of: iovec.self, capacity: count) { parts in
            var member = first
            for place in 0..<count {
                parts[place] = iovec(iov_base: member.pointee.buffer, iov_len: Int(member.pointee.length))
                if place + 1 < count { member = slots + Int(member.pointee.joined - 1) }
            }
            return target.begin(
                .writeJoined(offset: first.pointee.offset, parts: UnsafeBufferPointer(parts)),
                TargetCompletion(slot: first)
            )
        }
        if result < 0 { finish(first, Int(result)) }
    }

    /// Takes the postponed writes that lie before and behind a write without a gap, and chains them in their order.
    private func join(
        _ slot: UnsafeMutablePointer<IORequest.Slot>
    ) -> (first: UnsafeMutablePointer<IORequest.Slot>, count: Int) {
        var (first, last, count) = (slot, slot, 1)
        guard slot.pointee.length < Self.reach, postponed.count > 0 else { return (first, count) }
        var (begin, end) = (slot.pointee.offset, slot.pointee.offset + slot.pointee.length)
        let isNearOthers =
            begin > 0 && blocks.mayChange(begin - 1, begin, isAdded: false)
            || blocks.mayChange(end, end + 1, isAdded: false)
        guard isNearOthers else { return (first, count) }
        let (least, most) = (begin < Self.reach ? 0 : begin - Self.reach, end + Self.reach)
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 2 * Self.mostJoined) { near in
            var found = 0
            for place in 0..<memory.count where postponed.sequence(at: place) != 0 {
                let other = extent(of: place)
                guard other.begin >= least, other.end <= most, found < near.count else { continue }
                near[found] = place
                found += 1
            }
            var isGrowing = found > 0
            while isGrowing {
                isGrowing = false
                for place in near[..<found] where count < Self.mostJoined {
                    let sequence = postponed.sequence(at: place)
                    let other = extent(of: place)
                    // The index belongs to the write with this sequence number; otherwise it is not taken.
                    guard sequence != 0, other.end == begin || other.begin == end, postponed.take(sequence, at: place)
                    else { continue }
                    if other.end == begin {
                        slots[place].joined = UInt32(first.pointee.index + 1)
                        (first, begin) = (slots + place, other.begin)
                    } else {
                        last.pointee.joined = UInt32(place + 1)
                        (last, end) = (slots + place, other.end)
                    }
                    count += 1
                    isGrowing = true
                }
            }
        }
        return (first, count)
    }

    private func extent(of place: Int) -> (begin: UInt64, end: UInt64) {
        let begin = memory.offset(of: place).pointee.load(ordering: .relaxed)
        let length = memory.length(of: place).pointee.load(ordering: .relaxed) & ~SharedRequestMemory.acknowledgedBit
        return (begin, begin + length)
    }
}
