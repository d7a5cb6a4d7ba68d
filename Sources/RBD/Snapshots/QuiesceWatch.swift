internal import CRBD
internal import Synchronization
public import SystemPackage

/// What librbd asks of whoever watches an image for quiescence, before it makes a snapshot.
public struct QuiesceRequest: Sendable {
    fileprivate let number: UInt64
    fileprivate let state: QuiesceState

    /// Says that nothing is written any more, or why that could not be reached; the snapshot waits for it.
    ///
    /// Implements `rbd_quiesce_complete`. A second call does nothing, nor does one after the watch has ended.
    ///
    /// - Parameter failure: With an error no snapshot is made, unless its maker ignores that (`rbd snap create
    ///   --ignore-quiesce-error`).
    public func complete(_ failure: Errno? = nil) {
        state.answer(number, failure.map { -$0.rawValue } ?? 0)
    }
}

/// A watch for quiescence on an open image; it ends with the last reference to it.
public final class QuiesceWatch: Sendable {
    private let listener: QuiesceListener
    private let handle: UInt64
    private let isEnded = Atomic(false)

    fileprivate init(_ listener: QuiesceListener, _ handle: UInt64) {
        self.listener = listener
        self.handle = handle
    }

    deinit {
        end()
    }

    /// Ends it now; a request that is not answered yet is refused.
    ///
    /// Blocks until the snapshot that was asked for is made or has failed. Implements `rbd_quiesce_unwatch`. A second call does nothing.
    public func end() {
        guard !isEnded.exchange(true, ordering: .acquiringAndReleasing) else { return }
        listener.state.close()
        _ = listener.state.image.withRawImage { rbd_quiesce_unwatch($0, handle) }
        // What librbd held.
        Unmanaged.passUnretained(listener).release()
    }
}

extension Image {
    /// Has librbd ask this process before anyone makes a snapshot of the image, and wait for the answer.
    ///
    /// Implements `rbd_quiesce_watch`. The image must be open for writing: librbd asks by the image's watch. librbd gives up
    /// after a time of its own, and the snapshot fails then.
    ///
    /// - Parameters:
    ///   - quiesce: Called when nothing may be written any more, on a thread of librbd: it must not block, and must have
    ///     `QuiesceRequest.complete` called from elsewhere in the end.
    ///   - unquiesce: Called when the snapshot is made, or has failed; it must not block.
    /// - Returns: The watch, which keeps the image open.
    /// - Throws: `RBDError`.
    public func watchForQuiescence(
        quiesce: @escaping @Sendable (QuiesceRequest) -> Void,
        unquiesce: @escaping @Sendable () -> Void
    ) throws(RBDError) -> QuiesceWatch {
        let listener = QuiesceListener(QuiesceState(self), quiesce, unquiesce)
        let held = Unmanaged.passRetained(listener)
        var handle: UInt64 = 0
        let result = withRawImage { rbd_quiesce_watch($0, takeQuiesce, takeUnquiesce, held.toOpaque(), &handle) }
        do throws(RBDError) {
            try check(result, "rbd_quiesce_watch", spec)
        } catch {
            held.release()
            throw error
        }
        listener.state.open(handle)
        return QuiesceWatch(listener, handle)
    }
}

/// What librbd waits for: it ends the process that answers once too often, or after the watch has ended.
private final class QuiesceState: Sendable {
    private struct Asked {
        var handle: UInt64?
        var number: UInt64 = 0
        var isWaiting = false
        var isClosed = false
        /// An answer that came before the handle was known.
        var early: CInt?
    }

    let image: Image
    private let asked = Mutex(Asked())

    init(_ image: Image) {
        self.image = image
    }

    /// Takes a question; whether there is anyone to ask.
    func ask() -> UInt64? {
        asked.withLock { asked in
            guard !asked.isClosed else { return nil }
            asked.number += 1
            asked.isWaiting = true
            return asked.number
        }
    }

    func answer(_ number: UInt64, _ result: CInt) {
        // Under the lock: an answer must not come after `close`.
        asked.withLock { asked in
            guard asked.isWaiting, asked.number == number else { return }
            asked.isWaiting = false
            guard let handle = asked.handle else { return asked.early = result }
            image.withRawImage { rbd_quiesce_complete($0, handle, result) }
        }
    }

    func open(_ handle: UInt64) {
        asked.withLock { asked in
            asked.handle = handle
            guard let early = asked.early.take() else { return }
            image.withRawImage { rbd_quiesce_complete($0, handle, early) }
        }
    }

    func close() {
        asked.withLock { asked in
            asked.isClosed = true
            guard asked.isWaiting, let handle = asked.handle else { return }
            asked.isWaiting = false
            image.withRawImage { rbd_quiesce_complete($0, handle, -Errno.canceled.rawValue) }
        }
    }

    /// Refuses a question that came after `close`.
    func refuse() {
        asked.withLock { asked in
            guard let handle = asked.handle else { return }
            image.withRawImage { rbd_quiesce_complete($0, handle, -Errno.canceled.rawValue) }
        }
    }
}

/// Carries closures through librbd.
private final class QuiesceListener: Sendable {
    let state: QuiesceState
    let unquiesce: @Sendable () -> Void
    private let quiesce: @Sendable (QuiesceRequest) -> Void

    init(
        _ state: QuiesceState,
        _ quiesce: @escaping @Sendable (QuiesceRequest) -> Void,
        _ unquiesce: @escaping @Sendable () -> Void
    ) {
        self.state = state
        self.quiesce = quiesce
        self.unquiesce = unquiesce
    }

    func take() {
        guard let number = state.ask() else { return state.refuse() }
        quiesce(QuiesceRequest(number: number, state: state))
    }
}

@c
private func takeQuiesce(_ context: UnsafeMutableRawPointer?) {
    guard let context else { return }
    Unmanaged<QuiesceListener>.fromOpaque(context).takeUnretainedValue().take()
}

@c
private func takeUnquiesce(_ context: UnsafeMutableRawPointer?) {
    guard let context else { return }
    Unmanaged<QuiesceListener>.fromOpaque(context).takeUnretainedValue().unquiesce()
}
