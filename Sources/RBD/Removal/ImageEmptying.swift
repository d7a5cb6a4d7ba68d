public import Blocking
public import RADOS
internal import SystemPackage
internal import Timestamps

/// Empties images in the trash, so that librbd finds them with size zero and only has to remove their headers.
///
/// librbd itself deletes 26 million possible objects of an image of 100 TiB, under its locks and for minutes; for an
/// image of 2^60 bytes without an object map it never ends. This code deletes only objects that exist.
///
/// A kill leaves a trash entry in the state `removing`, so that the image with holes cannot be restored, and an image
/// that lacks some of its objects. The next removal, by this code or by librbd, continues from there.
public struct ImageEmptying: Sendable {
    /// What came of it.
    public enum Outcome: Sendable {
        /// The image has no data object and the size zero.
        case emptied
        /// Nothing was done: librbd must remove the image, or report why it cannot be removed.
        case leftToLibrbd
    }

    /// How many objects of one image are deleted at once.
    private static let width = 16
    /// How many object names one step of a listing reads.
    private static let page = 1024

    let context: IOContext
    let permits: Permits
    let threads: BlockingPool

    /// Prepares for the images of a pool.
    ///
    /// - Parameters:
    ///   - context: The pool, on a connection that is used for nothing else.
    ///   - permits: One for each object that is being deleted, shared by all removals.
    ///   - threads: For lists of a pool's objects, which block.
    public init(_ context: IOContext, permits: Permits, threads: BlockingPool) {
        self.context = context
        self.permits = permits
        self.threads = threads
    }

    /// Deletes an image's data objects and sets its size to zero.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - progress: Called with the objects done and the total; the total is 0 while it is unknown.
    /// - Returns: Whether it is empty now, or was left as it was.
    /// - Throws: `RBDError` with `.resourceBusy` while somebody watches it, and what Ceph answers.
    public func empty(
        _ id: String,
        progress: @escaping @Sendable (_ done: UInt64, _ total: UInt64) -> Void
    ) async throws(RBDError) -> Outcome {
        guard let record = try await context.trashRecord(ofID: id),
            record.state == .normal || record.state == .removing,
            record.deferredUntil <= .sinceEpoch, let header = try await context.trashedHeader(id), header.isPlain,
            header.lockers == 0, try await !context.isMirrored(id)
        else { return .leftToLibrbd }
        try await refuseIfWatched(id)
        guard header.sizeBytes > 0 else { return .emptied }
        try await context.setTrashState(of: id, to: .removing, expecting: .normal)
        // From here on the image cannot be restored. A client that opened it by its id just before is seen now.
        do throws(RBDError) {
            try await refuseIfWatched(id)
        } catch {
            if record.state == .normal { try? await context.setTrashState(of: id, to: .normal, expecting: .removing) }
            throw error
        }
        guard let header = try await context.trashedHeader(id), header.isPlain else { return .leftToLibrbd }
        try await deleteObjects(of: id, header, progress)
        try await context.setSizeToZero(id)
        return .emptied
    }

    private func refuseIfWatched(_ id: String) async throws(RBDError) {
        do throws(RADOSError) {
            let watchers = try await context.watchers(of: ImageObject.header(ofID: id))
            guard watchers.contains(where: { $0.clientID != context.cluster.instanceID }) else { return }
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return
        }
        throw RBDError(call: "list_watchers", code: .resourceBusy, subject: "\(context.label)/\(id)")
    }

    private func deleteObjects(
        of id: String,
        _ header: TrashedHeader,
        _ progress: @escaping @Sendable (UInt64, UInt64) -> Void
    ) async throws(RBDError) {
        let data: IOContext
        do throws(RADOSError) {
            let context = context
            data = try await threads.run { () throws(RADOSError) in try context.dataContext(header.dataPoolID) }
        } catch {
            throw RBDError(error)
        }
        let prefix = header.prefix
        switch try await DataObjects.of(header, id: id, in: context, data: data, on: threads) {
        case .mapped(let map):
            let total = map.existingCount
            var (next, done) = (UInt64(0), UInt64(0))
            while true {
                let numbers = map.existing(from: next, limit: Self.page)
                guard let last = numbers.last else { return }
                try await delete(numbers.map { Self.name(prefix, $0) }, from: data)
                next = last + 1
                done += UInt64(numbers.count)
                progress(done, total)
            }
        case .numbered(let count):
            var next = UInt64(0)
            while next < count {
                let end = min(count, next + UInt64(Self.page))
                try await delete((next..<end).map { Self.name(prefix, $0) }, from: data)
                next = end
                progress(next, count)
            }
        case .listed:
            try await deleteListed(prefix, from: data, progress)
        }
    }

    private func deleteListed(
        _ prefix: String,
        from data: IOContext,
        _ progress: @escaping @Sendable (UInt64, UInt64) -> Void
    ) async throws(RBDError) {
        do throws(RADOSError) {
            let listing = try await threads.run { () throws(RADOSError) in try ObjectListing(data) }
            var done = UInt64(0)
            progress(0, 0)
            while true {
                let page = try await threads.run { () throws(RADOSError) in
                    try listing.next(Self.page, beginningWith: "\(prefix).")
                }
                guard let page else { return }
                guard !page.isEmpty else { continue }
                try await Self.orRADOS { () async throws(RBDError) in try await delete(page, from: data) }
                done += UInt64(page.count)
                progress(done, 0)
            }
        } catch {
            throw RBDError(error)
        }
    }

    private static func orRADOS(_ body: () async throws(RBDError) -> Void) async throws(RADOSError) {
        do throws(RBDError) {
            try await body()
        } catch {
            throw RADOSError(call: error.call, code: error.code, subject: error.subject)
        }
    }

    /// Deletes objects, a few at once; succeeds for objects that do not exist.
    private func delete(_ names: [String], from data: IOContext) async throws(RBDError) {
        let failure = await withTaskGroup(of: RBDError?.self) { group in
            var rest = names[...]
            var first: RBDError?
            func addNext() {
                guard let name = rest.popFirst() else { return }
                group.addTask { await Self.delete(name, from: data, permits) }
            }
            for _ in 0..<Self.width { addNext() }
            for await failure in group {
                if let failure, first == nil { first = failure }
                if first == nil { addNext() }
            }
            return first
        }
        if let failure { throw failure }
    }

    private static func delete(_ name: String, from data: IOContext, _ permits: Permits) async -> RBDError? {
        do throws(RADOSError) {
            try await permits.withOne { () async throws(RADOSError) in _ = try await data.remove(name) }
            return nil
        } catch {
            return RBDError(error)
        }
    }

    /// See: librbd, `util::data_object_name`.
    private static func name(_ prefix: String, _ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return "\(prefix).\(String(repeating: "0", count: 16 - digits.count))\(digits)"
    }
}

extension IOContext {
    /// Sets an image's size to zero, if it has a header.
    ///
    /// Implements the class call `rbd.set_size`.
    fileprivate func setSizeToZero(_ id: String) async throws(RBDError) {
        var size = Encoder()
        size.append(UInt64(0))
        do throws(RADOSError) {
            // A header that another process removed meanwhile must not be created again.
            let call = ClassCall("rbd", "set_size", input: size.bytes)
            try await execute(call, on: ImageObject.header(ofID: id), isOld: true)
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
        }
    }
}
