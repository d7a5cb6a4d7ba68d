internal import CRados
internal import SystemPackage

/// One call of an object class: what the OSD runs beside the object.
public struct ClassCall: Sendable {
    /// The class: `rbd`.
    public let className: String
    /// The method: `get_size`.
    public let method: String
    /// Its encoded argument.
    public let input: [UInt8]

    /// Names a method and its argument.
    public init(_ className: String, _ method: String, input: [UInt8] = []) {
        self.className = className
        self.method = method
        self.input = input
    }
}

extension IOContext {
    /// Runs class calls on one object in one round trip; all of them, or none when the object is missing.
    ///
    /// Implements `rados_read_op_exec` and `rados_aio_read_op_operate`.
    ///
    /// - Parameters:
    ///   - calls: What to call, at least one; they must only read.
    ///   - object: The object's name.
    /// - Returns: An answer a call: its encoded result, or the errno of that call.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such object. The error of the first
    ///   call that fails is thrown: the OSD stops there.
    public func read(_ calls: [ClassCall], on object: String) async throws(RADOSError) -> [[UInt8]] {
        let operation = ReadOperation(calls)
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                rados_aio_read_op_operate(operation.raw, raw, completion, object, 0)
            }
        }
        // A call that failed says so in the operation's own result; the names help whoever reads the error.
        let names = calls.map(\.method).joined(separator: ", ")
        try check(result, "rados_aio_read_op_operate \(names)", "\(label)/\(object)")
        return try operation.answers(subject: "\(label)/\(object)")
    }

    /// Runs a class call that writes on one object.
    ///
    /// Implements `rados_aio_exec`.
    public func execute(_ call: ClassCall, on object: String) async throws(RADOSError) {
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                // librados copies the input before it returns.
                call.input.withUnsafeBytes { input in
                    rados_aio_exec(
                        raw,
                        object,
                        completion,
                        call.className,
                        call.method,
                        input.baseAddress?.assumingMemoryBound(to: CChar.self),
                        input.count,
                        nil,
                        0
                    )
                }
            }
        }
        try check(result, "rados_aio_exec \(call.className).\(call.method)", "\(label)/\(object)")
    }

    /// Reads the first bytes of an object, at most `limit`.
    ///
    /// Implements `rados_aio_read`.
    public func read(_ object: String, limit: Int) async throws(RADOSError) -> [UInt8] {
        let buffer = ReadBuffer(capacity: limit)
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                rados_aio_read(raw, object, completion, buffer.base, limit, 0)
            }
        }
        let count = try check(result, "rados_aio_read", "\(label)/\(object)")
        return buffer.prefix(Int(count))
    }

    /// Whether there is such an object, and how large it is, in bytes.
    ///
    /// Implements `rados_aio_stat`. Similar to: rados stat.
    public func sizeBytes(of object: String) async throws(RADOSError) -> UInt64? {
        let buffer = ReadBuffer(capacity: 16)
        let result = await withRetainedContext { raw in
            await awaitCompletion { completion in
                rados_aio_stat(
                    raw,
                    object,
                    completion,
                    buffer.base.assumingMemoryBound(to: UInt64.self),
                    (buffer.base + 8).assumingMemoryBound(to: Int.self)
                )
            }
        }
        guard result != -Errno.noSuchFileOrDirectory.rawValue else { return nil }
        try check(result, "rados_aio_stat", "\(label)/\(object)")
        return buffer.base.load(as: UInt64.self)
    }

    /// Keeps the context alive until the call has come back, whatever happens to other references.
    private func withRetainedContext(_ body: (UnsafeMutableRawPointer) async -> CInt) async -> CInt {
        let raw = withRawContext { $0 }
        let result = await body(raw)
        withExtendedLifetime(self) {}
        return result
    }
}

/// Memory that librados fills while a task waits.
private final class ReadBuffer: Sendable {
    /// Written by librados before the completion, read after it.
    nonisolated(unsafe) let base: UnsafeMutableRawPointer

    init(capacity: Int) {
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    func prefix(_ count: Int) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: base, count: count))
    }
}

/// A compound read operation and the places where its answers land.
private final class ReadOperation: Sendable {
    private struct Answer {
        var bytes: UnsafeMutablePointer<CChar>?
        var length: Int = 0
        var result: CInt = 0
    }

    /// Written by librados before the completion, read after it; one owner, one task.
    nonisolated(unsafe) let raw: rados_read_op_t?
    nonisolated(unsafe) private let slots: UnsafeMutableBufferPointer<Answer>
    private let calls: [ClassCall]

    init(_ calls: [ClassCall]) {
        self.calls = calls
        raw = rados_create_read_op()
        slots = .allocate(capacity: calls.count)
        slots.initialize(repeating: Answer())
        for (index, call) in calls.enumerated() {
            guard let slot = slots.baseAddress.map({ $0 + index }) else { continue }
            call.input.withUnsafeBytes { input in
                rados_read_op_exec(
                    raw,
                    call.className,
                    call.method,
                    input.baseAddress?.assumingMemoryBound(to: CChar.self),
                    input.count,
                    &slot.pointee.bytes,
                    &slot.pointee.length,
                    &slot.pointee.result
                )
            }
        }
    }

    deinit {
        for slot in slots where slot.bytes != nil { rados_buffer_free(slot.bytes) }
        slots.deallocate()
        rados_release_read_op(raw)
    }

    func answers(subject: String) throws(RADOSError) -> [[UInt8]] {
        var answers: [[UInt8]] = []
        for (call, slot) in zip(calls, slots) {
            try check(slot.result, "rados_read_op_exec \(call.className).\(call.method)", subject)
            guard let bytes = slot.bytes else {
                answers.append([])
                continue
            }
            answers.append(Array(UnsafeRawBufferPointer(start: bytes, count: slot.length)))
        }
        return answers
    }
}
