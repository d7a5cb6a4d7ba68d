public import RADOS
internal import SystemPackage

/// What a list tells of an image, from two reads of its header; it is not opened.
public struct ImageSummary: Sendable {
    /// Its size in bytes.
    public let sizeBytes: UInt64
    /// When it was made, in seconds since 1970; `nil` where Ceph did not write that down.
    public let createdAt: Int64?
    /// Its metadata: the first 64 keys, and all of Nacre's own.
    public let metadata: [String: String]
    /// Which nodes have it, as they wrote it down.
    public let holders: [HolderRecord]
    /// Who watches it: who has it open.
    public let watchers: [Watcher]
}

extension IOContext {
    /// Summarises an image by its id; `nil` if it has no header.
    ///
    /// The two reads are sent together, so it takes one round trip.
    ///
    /// Implements the class calls `rbd.get_size`, `rbd.get_create_timestamp`, `rbd.metadata_list`, `lock.get_info`, and
    /// `librados::ObjectReadOperation::list_watchers`.
    public func summary(ofImageID id: String) async throws(RBDError) -> ImageSummary? {
        let header = ImageObject.header(ofID: id)
        async let watching = outcome(ofWatchersOf: header)
        guard let answers = try await classCalls(ClassCall.summing, on: header) else {
            _ = await watching
            return nil
        }
        var size = Decoder(answers[0])
        var created = Decoder(answers[1])
        var metadata: [String: String] = [:]
        for answer in answers[2...3] { metadata.merge(ClassCall.metadata(in: answer)) { $1 } }
        guard size.number(UInt8.self) != nil, let sizeBytes = size.number(UInt64.self) else {
            throw RBDError(call: "rbd.get_size", code: .ioError, subject: "\(label)/\(header)")
        }
        guard let (owners, _) = Locker.all(in: answers[4]) else {
            throw RBDError(call: "lock.get_info", code: .ioError, subject: "\(label)/\(header)")
        }
        let seconds = created.number(UInt32.self) ?? 0
        guard let watchers = try await watching.get() else { return nil }
        return ImageSummary(
            sizeBytes: sizeBytes,
            createdAt: seconds == 0 ? nil : Int64(seconds),
            metadata: metadata,
            holders: owners.compactMap { HolderRecord(parsing: $0.cookie) },
            watchers: watchers
        )
    }

    /// A child task's error keeps its type only as a value.
    func outcome(ofWatchersOf object: String) async -> Result<[Watcher]?, RBDError> {
        do throws(RADOSError) {
            return .success(try await watchers(of: object))
        } catch {
            return error.isNotFound ? .success(nil) : .failure(RBDError(error))
        }
    }
}

extension ClassCall {
    /// The class calls of `summary`, in the order of its answers.
    fileprivate static let summing: [ClassCall] = {
        var head = Encoder()
        head.append(UInt64.max - 1)  // CEPH_NOSNAP
        return [
            ClassCall("rbd", "get_size", input: head.bytes),
            ClassCall("rbd", "get_create_timestamp"),
            listingMetadata(after: ""),
            listingMetadata(after: "nacre.io"),
            askingOwners(of: .holder),
        ]
    }()
}
