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
    /// - Returns: One answer for each call: its encoded result, or the errno of that call.
    /// - Throws: `RADOSError` with `.noSuchFileOrDirectory` when there is no such object. The error of the first
    ///   call that fails is thrown: the OSD stops there.
    public func read(_ calls: [ClassCall], on object: String) async throws(RADOSError) -> [[UInt8]] {
        try await answers(of: ReadOperation(calls), calls, on: object)
    }

    /// Runs class calls on one object in one round trip, if it begins with certain bytes.
    ///
    /// Implements `rados_read_op_cmpext`, `rados_read_op_exec` and `rados_aio_read_op_operate`.
    ///
    /// - Parameters:
    ///   - calls: What to call, at least one; they must only read.
    ///   - object: The object's name.
    ///   - bytes: What it must begin with, at least one byte.
    /// - Returns: One answer for each call, or `nil` if the object begins with other bytes.
    /// - Throws: `RADOSError` as `read(_:on:)` does.
    public func read(
        _ calls: [ClassCall],
        on object: String,
        ifItBeginsWith bytes: [UInt8]
    ) async throws(RADOSError) -> [[UInt8]]? {
        do throws(RADOSError) {
            return try await answers(of: ReadOperation(calls, ifItBeginsWith: bytes), calls, on: object)
        } catch {
            guard error.isDifference else { throw error }
            return nil
        }
    }

    private func answers(
        of operation: ReadOperation,
        _ calls: [ClassCall],
        on object: String
    ) async throws(RADOSError) -> [[UInt8]] {
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

    /// Keeps the context alive until the call has returned, even if all other references go.
    func withRetainedContext(_ body: (UnsafeMutableRawPointer) async -> CInt) async -> CInt {
        let raw = withRawContext { $0 }
        let result = await body(raw)
        withExtendedLifetime(self) {}
        return result
    }
}

/// Memory that librados fills while a task waits.
final class ReadBuffer: Sendable {
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

/// A compound read operation and the memory for its results.
///
/// The results go to allocated memory: librados keeps the addresses until the operation completes, and a Swift property
/// or an `inout` argument has no stable address.
private final class ReadOperation: Sendable {
    /// Written by librados before the completion, read after it; one owner, one task.
    nonisolated(unsafe) let raw: rados_read_op_t?
    nonisolated(unsafe) private let bytes: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    nonisolated(unsafe) private let lengths: UnsafeMutablePointer<Int>
    nonisolated(unsafe) private let results: UnsafeMutablePointer<CInt>
    private let calls: [ClassCall]
    private let expected: ComparedBytes

    init(_ calls: [ClassCall], ifItBeginsWith beginning: [UInt8] = []) {
        self.calls = calls
        expected = ComparedBytes(beginning)
        raw = rados_create_read_op()
        if !beginning.isEmpty { rados_read_op_cmpext(raw, expected.base, beginning.count, 0, nil) }
        bytes = .allocate(capacity: calls.count)
        bytes.initialize(repeating: nil, count: calls.count)
        lengths = .allocate(capacity: calls.count)
        lengths.initialize(repeating: 0, count: calls.count)
        results = .allocate(capacity: calls.count)
        results.initialize(repeating: 0, count: calls.count)
        for (index, call) in calls.enumerated() {
            // librados copies the input before it returns.
            call.input.withUnsafeBytes { input in
                rados_read_op_exec(
                    raw,
                    call.className,
                    call.method,
                    input.baseAddress?.assumingMemoryBound(to: CChar.self),
                    input.count,
                    bytes + index,
                    lengths + index,
                    results + index
                )
            }
        }
    }

    deinit {
        rados_release_read_op(raw)
        for index in calls.indices {
            if let answer = bytes[index] { rados_buffer_free(answer) }
        }
        bytes.deallocate()
        lengths.deallocate()
        results.deallocate()
    }

    func answers(subject: String) throws(RADOSError) -> [[UInt8]] {
        var answers: [[UInt8]] = []
        for (index, call) in calls.enumerated() {
            try check(results[index], "rados_read_op_exec \(call.className).\(call.method)", subject)
            guard let answer = bytes[index] else {
                answers.append([])
                continue
            }
            answers.append(Array(UnsafeRawBufferPointer(start: answer, count: lengths[index])))
        }
        return answers
    }
}
