internal import Synchronization

/// A server begins where another one ended.
extension ImageIOEngine {
    /// Sends again the writes that another server acknowledged and the cluster had not made stable; returns their
    /// number.
    ///
    /// Must be called first. Does not wait: later requests are ordered after these writes.
    package func writeAgain() -> Int {
        var left: [UnsafeMutablePointer<IORequest.Slot>] = []
        for index in 0..<memory.count {
            let sequence = memory.sequence(of: index).pointee.load(ordering: .acquiring)
            let length = memory.length(of: index).pointee.load(ordering: .relaxed)
            guard sequence != 0 else { continue }
            let slot = slots + index
            guard length & SharedRequestMemory.acknowledgedBit != 0 else {
                // The kernel got no answer to it and sends it again.
                memory.sequence(of: index).pointee.store(0, ordering: .releasing)
                free.push(slot)
                continue
            }
            slot.pointee.kind = .write
            slot.pointee.isAcknowledged = true
            slot.pointee.sequence = sequence
            slot.pointee.offset = memory.offset(of: index).pointee.load(ordering: .relaxed)
            slot.pointee.length = length & ~SharedRequestMemory.acknowledgedBit
            running.add(1, ordering: .relaxed)
            unstableBytes.add(Int(slot.pointee.length), ordering: .relaxed)
            publish(slot)
            left.append(slot)
        }
        memory.counter(.writtenAgain).pointee.add(UInt64(left.count), ordering: .relaxed)
        for slot in left.sorted(by: { $0.pointee.sequence < $1.pointee.sequence }) { advance(slot) }
        return left.count
    }

    /// Adds one to how often a server took over, or made a connection anew.
    package func note(succession: Bool) {
        memory.counter(succession ? .successions : .reconnections).pointee.add(1, ordering: .relaxed)
    }
}
