public import RADOS
internal import SystemPackage

/// A snapshot of an image, as the image's header has it.
public struct ImageSnapshot: Sendable, Hashable {
    /// Who made it, and what for.
    public enum Kind: Sendable, Hashable {
        /// A person or program, by its name.
        case user
        /// A snapshot of a whole group of images.
        case group
        /// A deleted one that clones still need; Ceph gave it a random name.
        case trash
        /// rbd-mirror.
        case mirror
        /// A later release of Ceph.
        case other
    }

    /// A group's snapshot that an image's snapshot is a part of.
    public struct GroupPart: Sendable, Hashable {
        /// The number of the group's pool.
        public let poolID: Int64
        /// The group's id.
        public let groupID: String
        /// The id of the group's snapshot.
        public let snapshotID: String
    }

    /// Its number, which no other snapshot in the pool gets.
    public let id: UInt64
    /// Its name; bytes that are no UTF-8 read as U+FFFD.
    public let name: String
    /// The image's size when it was made, in bytes.
    public let sizeBytes: UInt64
    /// When it was made, since 1970, by the clock of an OSD.
    public let created: Duration
    /// Who made it.
    public let kind: Kind
    /// How many clones of format 2 need it.
    public let cloneCount: UInt64
    /// Whether it is protected, as clones of format 1 want it.
    public let isProtected: Bool
    /// The name that one in the trash had; `nil` for all others.
    public let formerName: String?
    /// Where one of kind `group` belongs; `nil` for all others.
    public let groupPart: GroupPart?
}

extension IOContext {
    /// The snapshots of an image by its id, also of one in the trash, oldest first; the image is not opened.
    ///
    /// One round trip for an image without snapshots, two for up to 64 of them, and one more for each 64.
    ///
    /// Implements the class calls `rbd.get_snapcontext`, `rbd.snapshot_get`, `rbd.get_protection_status`. Similar to: rbd
    /// snap ls --all.
    ///
    /// - Parameter id: The image's id.
    /// - Returns: The snapshots of every kind; `nil` if the image's header is missing.
    /// - Throws: `RBDError`; with `.resourceBusy` if snapshots went away again and again while they were read.
    public func snapshots(ofImageID id: String) async throws(RBDError) -> [ImageSnapshot]? {
        let header = ImageObject.header(ofID: id)
        for _ in 0..<Self.readings {
            let calls = [ClassCall("rbd", "get_snapcontext")]
            guard let answers = try await classCalls(calls, on: header) else { return nil }
            guard let ids = Self.snapshotIDs(in: answers[0]) else {
                throw RBDError(call: "rbd.get_snapcontext", code: .ioError, subject: "\(label)/\(header)")
            }
            if let found = try await readSnapshots(ids, on: header) { return found }
        }
        throw RBDError(call: "rbd.snapshot_get", code: .resourceBusy, subject: "\(label)/\(header)")
    }

    /// The name that the pool's directory has for an image's id; `nil` if it lists none, as for one in the trash.
    ///
    /// Implements the class call `rbd.dir_get_name`.
    public func imageName(ofID id: String) async throws(RBDError) -> String? {
        do throws(RADOSError) {
            return try await listedName(of: id)
        } catch {
            throw RBDError(error)
        }
    }

    /// How often the list is read again because a snapshot of it has gone.
    private static var readings: Int { 8 }
    private static var page: Int { 64 }

    /// The numbers in an answer of `rbd.get_snapcontext`, oldest first: Ceph has the newest first.
    private static func snapshotIDs(in answer: [UInt8]) -> [UInt64]? {
        var decoder = Decoder(answer)
        guard decoder.number(UInt64.self) != nil, let count = decoder.number(UInt32.self) else { return nil }
        var ids: [UInt64] = []
        for _ in 0..<count {
            guard let id = decoder.number(UInt64.self) else { return nil }
            ids.append(id)
        }
        return ids.reversed()
    }

    /// All of these snapshots; `nil` if one of them has gone.
    func readSnapshots(_ ids: [UInt64], on header: String) async throws(RBDError) -> [ImageSnapshot]? {
        var found: [ImageSnapshot] = []
        for start in stride(from: 0, to: ids.count, by: Self.page) {
            let page = ids[start..<min(start + Self.page, ids.count)]
            let calls = page.flatMap(ClassCall.askingSnapshot)
            guard let answers = try await classCalls(calls, on: header) else { return nil }
            for (index, id) in page.enumerated() {
                guard let snapshot = ImageSnapshot(id, answers[2 * index], protection: answers[2 * index + 1]) else {
                    throw RBDError(call: "rbd.snapshot_get", code: .ioError, subject: "\(label)/\(header)")
                }
                found.append(snapshot)
            }
        }
        return found
    }
}

extension ClassCall {
    /// `rbd.snapshot_get` and `rbd.get_protection_status`.
    static func askingSnapshot(_ id: UInt64) -> [ClassCall] {
        var input = Encoder()
        input.append(id)
        return ["snapshot_get", "get_protection_status"].map { ClassCall("rbd", $0, input: input.bytes) }
    }
}

extension ImageSnapshot {
    /// Reads the answers of `ClassCall.askingSnapshot`; `nil` if they end too early.
    ///
    /// See: cls_rbd_types.h, `SnapshotInfo` and `SnapshotNamespace`; `RBD_PROTECTION_STATUS_UNPROTECTED` is 0.
    init?(_ id: UInt64, _ answer: [UInt8], protection: [UInt8]) {
        var decoder = Decoder(answer)
        var status = Decoder(protection)
        guard var info = decoder.structure(), info.number(UInt64.self) == id, var space = info.structure(),
            let number = space.number(UInt32.self), let name = info.string(), let size = info.number(UInt64.self),
            let created = info.time(), let clones = info.number(UInt32.self), let protected = status.number(UInt8.self)
        else { return nil }
        var formerName: String?
        var groupPart: GroupPart?
        switch number {
        case 0: kind = .user
        case 1:
            kind = .group
            guard let poolID = space.number(Int64.self), let groupID = space.string(), let snapshotID = space.string()
            else { return nil }
            groupPart = GroupPart(poolID: poolID, groupID: groupID, snapshotID: snapshotID)
        case 2:
            kind = .trash
            guard let former = space.string() else { return nil }
            formerName = former
        case 3: kind = .mirror
        default: kind = .other
        }
        self.id = id
        self.name = name
        self.sizeBytes = size
        self.created = created
        self.cloneCount = UInt64(clones)
        self.isProtected = protected != 0
        self.formerName = formerName
        self.groupPart = groupPart
    }
}
