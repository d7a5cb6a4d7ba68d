internal import Glibc
internal import Synchronization

/// A request's way through librbd: begun once nothing stands before it, and ended with what waited for it.
extension ImageIOEngine {
    /// Starts the request in librbd.
    func start(_ slot: UnsafeMutablePointer<IORequest.Slot>) {
        let (offset, length, buffer) = (slot.pointee.offset, slot.pointee.length, slot.pointee.buffer)
        let call: TargetCall
        switch slot.pointee.kind {
        case .read: call = .read(offset: offset, length: Int(length), into: buffer)
        case .write: call = .write(offset: offset, length: Int(length), from: buffer)
        case .zero: call = .zero(offset: offset, length: Int(length))
        case .discard: call = .discard(offset: offset, length: length)
        case .flush:
            let failure = memory.failure.pointee.load(ordering: .acquiring)
            guard failure == 0, flushesLibrary else {
                memory.counter(.mergedFlushes).pointee.add(1, ordering: .relaxed)
                return finish(slot, failure == 0 ? 0 : -Int(EIO))
            }
            call = .flush
        }
        let result = target.begin(call, TargetCompletion(slot: slot))
        if result < 0 { finish(slot, Int(result)) }
    }

    /// Ends a request, and the writes that went to the cluster with it.
    func finish(_ slot: UnsafeMutablePointer<IORequest.Slot>, _ result: Int) {
        let isAcknowledged = slot.pointee.isAcknowledged
        var member = slot
        while true {
            let joined = member.pointee.joined
            end(member, result)
            guard joined != 0 else { break }
            member = slots + Int(joined - 1)
        }
        guard isAcknowledged else { return }
        writesUnderWay.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        startPostponed()
    }

    /// Ends a request: answers it or releases it, and starts the requests that waited for it.
    func end(_ slot: UnsafeMutablePointer<IORequest.Slot>, _ result: Int) {
        slot.pointee.result = result
        if result < 0 { memory.counter(.errors).pointee.add(1, ordering: .relaxed) }
        let isAcknowledged = slot.pointee.isAcknowledged
        if isAcknowledged {
            // Only a flush can report the failure, and later writes would be out of order: so the failure stays set.
            if result < 0 { memory.failure.pointee.store(UInt64(-result), ordering: .releasing) }
            unstableBytes.subtract(Int(slot.pointee.length), ordering: .relaxed)
        }
        var waiting: UInt32 = 0
        if slot.pointee.kind != .read, slot.pointee.kind != .flush { waiting = withdraw(slot) }
        if isAcknowledged { release(IORequest(slot: slot)) } else { handler(IORequest(slot: slot)) }
        while waiting != 0 {
            let next = slots + Int(waiting - 1)
            waiting = next.pointee.next.load(ordering: .relaxed)
            advance(next)
        }
    }
}
