internal import CRBD
internal import Glibc
internal import RBD

/// Where an engine sends its requests: an image of librbd's (`LibrbdTarget`), or what a test puts in its place.
protocol RequestTarget: AnyObject, Sendable {
    /// Begins a call.
    ///
    /// - Parameters:
    ///   - call: What is to be done; its buffers stay valid until it has ended, its list of parts only for now.
    ///   - completion: To be called once when the call has ended, on any thread, perhaps before this returns.
    /// - Returns: A negative errno when the call was not begun and will not end.
    func begin(_ call: TargetCall, _ completion: TargetCompletion) -> CInt
}

/// One call of an engine; lengths are in bytes.
enum TargetCall {
    case read(offset: UInt64, length: Int, into: UnsafeMutableRawPointer)
    case write(offset: UInt64, length: Int, from: UnsafeMutableRawPointer)
    /// A write of several buffers, one behind the other.
    case writeJoined(offset: UInt64, parts: UnsafeBufferPointer<iovec>)
    case flush
    case zero(offset: UInt64, length: Int)
    case discard(offset: UInt64, length: UInt64)
}

/// What is called when a call has ended.
///
/// Safe to send: the request is its call's until then.
struct TargetCompletion: @unchecked Sendable {
    let slot: UnsafeMutablePointer<IORequest.Slot>

    /// Tells the engine how the call ended: with the bytes that were read, 0, or a negative errno.
    func callAsFunction(_ result: Int) {
        slot.pointee.engine._withUnsafeGuaranteedRef { $0.finish(slot, result) }
    }
}

/// An open image of librbd's.
///
/// Safe to share: librbd's calls are, and the pointer is the image's.
final class LibrbdTarget: RequestTarget, @unchecked Sendable {
    private let image: Image
    private let raw: UnsafeMutableRawPointer

    /// - Parameter image: It stays open as long as this is used. Its cluster's `rbd_cache` must be off.
    init(_ image: Image) {
        self.image = image
        raw = image.withRawImage { $0 }
    }

    func begin(_ call: TargetCall, _ ended: TargetCompletion) -> CInt {
        var completion: rbd_completion_t?
        let made = rbd_aio_create_completion(ended.slot, requestCompleted, &completion)
        guard made >= 0, let completion else { return made < 0 ? made : -ENOMEM }
        let result =
            switch call {
            case .read(let offset, let length, let buffer):
                rbd_aio_read(raw, offset, length, buffer.assumingMemoryBound(to: CChar.self), completion)
            case .write(let offset, let length, let buffer):
                rbd_aio_write(raw, offset, length, buffer.assumingMemoryBound(to: CChar.self), completion)
            case .writeJoined(let offset, let parts):
                rbd_aio_writev(raw, parts.baseAddress, CInt(parts.count), offset, completion)
            case .flush: rbd_aio_flush(raw, completion)
            // Not rbd_aio_discard: it does not zero parts that are smaller than its granularity of 64 KiB.
            case .zero(let offset, let length): rbd_aio_write_zeroes(raw, offset, length, completion, 0, 0)
            case .discard(let offset, let length): rbd_aio_discard(raw, offset, length, completion)
            }
        if result < 0 { rbd_aio_release(completion) }
        return result
    }
}

@c
private func requestCompleted(_ completion: rbd_completion_t?, _ context: UnsafeMutableRawPointer?) {
    guard let completion, let context else { return }
    let result = rbd_aio_get_return_value(completion)
    rbd_aio_release(completion)
    TargetCompletion(slot: context.assumingMemoryBound(to: IORequest.Slot.self))(result)
}
