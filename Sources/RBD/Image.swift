internal import CRBD
public import RADOS
internal import Synchronization
internal import SystemPackage

/// An open image.
///
/// We are one of its watchers until `close`.
///
/// All calls block; they belong on a `BlockingPool`.
public final class Image: Sendable {
    /// What we mean to do with it.
    public enum Access: Sendable {
        /// No watch, no lock, no changes.
        case readOnly
        /// Watches the image; takes its exclusive lock when it first changes something.
        case readWrite
    }

    /// Safe to share: librbd takes its own locks on an open image; `close` comes once, from the last reference.
    private struct Handle: @unchecked Sendable {
        let raw: rbd_image_t
    }

    private let handle: Handle
    private let isClosed = Atomic(false)

    /// The pool it lies in; a child keeps its parent alive.
    public let context: IOContext
    /// Its name when it was opened, and `@snapshot` if it was opened at one.
    public let name: String

    private init(handle: Handle, context: IOContext, name: String) {
        self.handle = handle
        self.context = context
        self.name = name
    }

    deinit {
        close()
    }

    /// Closes it now, for callers that do not know when the last reference goes; it must not be used afterwards.
    ///
    /// Implements `rbd_close`. A second call does nothing. Until it is closed, other clients see this one as a watcher.
    public func close() {
        guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
        rbd_close(handle.raw)
    }

    /// `pool/namespace/name`, and `@snapshot` for an image that was opened at one.
    public var spec: String { "\(context.label)/\(name)" }

    /// Opens an image, as it is or as a snapshot has it; it is closed with the last reference to it.
    ///
    /// Implements `rbd_open`, `rbd_open_read_only` and `rbd_close`.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - snapshot: The name of one of its snapshots of kind `user`, which has its own size and can only be read; `nil` for
    ///     the image as it is.
    ///   - context: The pool it lies in.
    ///   - access: What we mean to do with it.
    /// - Returns: The open image.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` when there is no such image, or no such snapshot.
    public static func open(
        _ name: String,
        at snapshot: String? = nil,
        in context: IOContext,
        access: Access
    ) throws(RBDError) -> Image {
        try open(named: snapshot.map { "\(name)@\($0)" } ?? name, in: context, "rbd_open") { context, raw in
            switch access {
            case .readOnly: rbd_open_read_only(context, name, &raw, snapshot)
            case .readWrite: rbd_open(context, name, &raw, snapshot)
            }
        }
    }

    /// Opens an image by its id, which a rename does not change; also one in the trash.
    ///
    /// Implements `rbd_open_by_id` and `rbd_open_by_id_read_only`. Its `name` is its id until it is closed.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - snapshot: As for `open(_:at:in:access:)`.
    ///   - context: The pool it lies in.
    ///   - access: What we mean to do with it.
    /// - Returns: The open image.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` when there is no such image, or no such snapshot.
    public static func open(
        id: String,
        at snapshot: String? = nil,
        in context: IOContext,
        access: Access
    ) throws(RBDError) -> Image {
        try open(named: snapshot.map { "\(id)@\($0)" } ?? id, in: context, "rbd_open_by_id") { context, raw in
            switch access {
            case .readOnly: rbd_open_by_id_read_only(context, id, &raw, snapshot)
            case .readWrite: rbd_open_by_id(context, id, &raw, snapshot)
            }
        }
    }

    private static func open(
        named name: String,
        in context: IOContext,
        _ call: String,
        _ body: (UnsafeMutableRawPointer, inout rbd_image_t?) -> CInt
    ) throws(RBDError) -> Image {
        var raw: rbd_image_t?
        let result = context.withRawContext { body($0, &raw) }
        try check(result, call, "\(context.label)/\(name)")
        guard let raw else { throw RBDError(call: call, code: .noMemory, subject: "\(context.label)/\(name)") }
        return Image(handle: Handle(raw: raw), context: context, name: name)
    }

    /// Gives the raw handle to this module and to the code that serves I/O; it must not be used after the image is
    /// closed.
    package func withRawImage<R, Failure: Error>(
        _ body: (UnsafeMutableRawPointer) throws(Failure) -> R
    ) throws(Failure) -> R {
        try body(handle.raw)
    }

    /// Its id, which it keeps when it is renamed; known since it was opened.
    ///
    /// Implements `rbd_get_id`.
    public func id() throws(RBDError) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        try check(rbd_get_id(handle.raw, &buffer, buffer.count), "rbd_get_id", spec)
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Its size now, in bytes.
    ///
    /// Implements `rbd_get_size`.
    public func sizeBytes() throws(RBDError) -> UInt64 {
        var size: UInt64 = 0
        try check(rbd_get_size(handle.raw, &size), "rbd_get_size", spec)
        return size
    }

    /// Reads bytes from `offset` on; returns fewer at the end of the image.
    ///
    /// Implements `rbd_read`.
    public func bytes(at offset: UInt64, count: Int) throws(RBDError) -> [UInt8] {
        let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: max(1, count))
        defer { buffer.deallocate() }
        let result = rbd_read(handle.raw, offset, count, buffer)
        guard result >= 0 else {
            throw RBDError(call: "rbd_read", code: Errno(rawValue: CInt(-result)), subject: spec)
        }
        return Array(UnsafeRawBufferPointer(start: buffer, count: min(count, Int(result))))
    }

    /// Grows the image; refuses to shrink it.
    ///
    /// Implements `rbd_resize2` with `allow_shrink` false. When another client holds the exclusive lock, librbd asks
    /// that client to do it.
    ///
    /// - Parameter sizeBytes: New size in bytes; must not be below the current size.
    /// - Throws: `RBDError` with `.invalidArgument` when `sizeBytes` is below the current size.
    public func grow(toBytes sizeBytes: UInt64) throws(RBDError) {
        let result = rbd_resize2(handle.raw, sizeBytes, false, { _, _, _ in 0 }, nil)
        try check(result, "rbd_resize2", spec)
    }

    /// Rebuilds the object map from the objects that exist.
    ///
    /// Implements `rbd_rebuild_object_map`. Similar to: rbd object-map rebuild. It takes one operation for each object:
    /// 256 for each GiB.
    public func rebuildObjectMap() throws(RBDError) {
        let result = rbd_rebuild_object_map(handle.raw, { _, _, _ in 0 }, nil)
        try check(result, "rbd_rebuild_object_map", spec)
    }
}
