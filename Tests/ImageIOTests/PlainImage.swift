import CRBD
import Glibc

@testable import ImageIO

/// A cluster's image in memory; calls wait until somebody carries them out.
///
/// Safe to share: its user has one thread at a time use it.
final class PlainImage: RequestTarget, @unchecked Sendable {
    struct Call {
        let request: IORequest
        let completion: TargetCompletion
        let offset: Int
        let parts: [UnsafeMutableRawBufferPointer]
        let isRead: Bool
        /// A write's bytes when it was begun.
        let bytes: [UInt8]

        var range: Range<Int> { offset..<offset + parts.reduce(0) { $0 + $1.count } }

        /// A word for it.
        var digest: UInt64 {
            mix(mix(UInt64(request.index), UInt64(offset)), UInt64(range.count) << 8 | UInt64(parts.count))
        }
    }

    private(set) var bytes: [UInt8]
    private(set) var waiting: [Call] = []
    /// Those that were taken and have not ended.
    private(set) var underWay: [Call] = []
    /// What an engine did wrong.
    private(set) var fault: String?

    private let mayOverlap: (IORequest, IORequest) -> Bool

    /// - Parameters:
    ///   - bytes: What it holds.
    ///   - mayOverlap: Whether the calls of two requests may be on the same bytes at once.
    init(_ bytes: [UInt8], mayOverlap: @escaping (IORequest, IORequest) -> Bool = { _, _ in false }) {
        (self.bytes, self.mayOverlap) = (bytes, mayOverlap)
    }

    func begin(_ call: TargetCall, _ completion: TargetCompletion) -> CInt {
        let request = IORequest(slot: completion.slot)
        func add(_ offset: UInt64, _ parts: [UnsafeMutableRawBufferPointer], isRead: Bool) -> CInt {
            let call = Call(
                request: request,
                completion: completion,
                offset: Int(offset),
                parts: parts,
                isRead: isRead,
                bytes: isRead ? [] : parts.flatMap { Array($0) }
            )
            for other in waiting + underWay where other.range.overlaps(call.range) && !(other.isRead && isRead) {
                guard !mayOverlap(request, other.request) else { continue }
                fault = "two calls at once on bytes \(other.range.clamped(to: call.range))"
            }
            waiting.append(call)
            return 0
        }
        switch call {
        case .read(let offset, let length, let buffer):
            return add(offset, [UnsafeMutableRawBufferPointer(start: buffer, count: length)], isRead: true)
        case .write(let offset, let length, let buffer):
            return add(offset, [UnsafeMutableRawBufferPointer(start: buffer, count: length)], isRead: false)
        case .writeJoined(let offset, let parts):
            let parts = parts.map { UnsafeMutableRawBufferPointer(start: $0.iov_base, count: $0.iov_len) }
            return add(offset, parts, isRead: false)
        case .flush, .zero, .discard: return -EOPNOTSUPP
        }
    }

    /// Carries out the oldest or the newest call that waits; the caller says its end.
    func take(newest: Bool) -> Call? {
        guard !waiting.isEmpty else { return nil }
        let call = newest ? waiting.removeLast() : waiting.removeFirst()
        underWay.append(call)
        carryOut(call)
        return call
    }

    /// Tells the engine the end of a call that was taken.
    func end(_ call: Call) {
        underWay.removeAll { $0.request.index == call.request.index }
        call.completion(call.isRead ? call.range.count : 0)
    }

    private func carryOut(_ call: Call) {
        var place = call.offset
        for part in call.parts {
            if call.isRead {
                for index in part.indices { part[index] = bytes[place + index] }
            } else {
                for index in part.indices { bytes[place + index] = part[index] }
            }
            place += part.count
        }
        if !call.isRead, call.parts.flatMap({ Array($0) }) != call.bytes {
            fault = "a buffer changed while the cluster read it"
        }
    }

    /// The image when the engine's process has died: any of what waited may have arrived.
    var afterDeath: [[UInt8]] {
        let writes = waiting.filter { !$0.isRead }
        return (0..<1 << writes.count).flatMap { chosen in
            let arrived = writes.enumerated().filter { chosen & 1 << $0.offset != 0 }.map(\.element)
            return Set([arrived, arrived.reversed()].map(after))
        }
    }

    private func after(_ calls: [Call]) -> [UInt8] {
        var image = bytes
        for call in calls { image.replaceSubrange(call.range, with: call.bytes) }
        return image
    }

    /// A word for it.
    var digest: UInt64 {
        var word = UInt64(waiting.count)
        for byte in bytes { word = mix(word, UInt64(byte)) }
        for call in waiting + underWay { word = mix(word, call.digest) }
        return word
    }
}
