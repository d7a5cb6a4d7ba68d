public import RADOS
internal import SystemPackage

/// A snapshot by its numbers, which no other gets.
public struct SnapshotAddress: Sendable, Hashable {
    /// The number of the pool.
    public let poolID: Int64
    /// The RADOS namespace.
    public let namespace: String
    /// The image's id.
    public let imageID: String
    /// The snapshot's number.
    public let snapshotID: UInt64

    /// Names a snapshot.
    public init(poolID: Int64, namespace: String, imageID: String, snapshotID: UInt64) {
        (self.poolID, self.namespace, self.imageID, self.snapshotID) = (poolID, namespace, imageID, snapshotID)
    }
}

extension CloneableSnapshot {
    /// Its numbers.
    public var address: SnapshotAddress {
        SnapshotAddress(
            poolID: context.poolID,
            namespace: context.namespace,
            imageID: imageID,
            snapshotID: snapshot.id
        )
    }
}

/// What an image's header tells of its making.
public struct ImageBeginning: Sendable, Hashable {
    /// When it was created, since 1970, by the clock of an OSD.
    public let created: Duration
    /// The snapshot that it is a clone of; `nil` for none.
    public let parent: SnapshotAddress?
}

extension IOContext {
    /// When an image was created, and of which snapshot it is a clone; the image is not opened.
    ///
    /// Implements the class calls `rbd.get_create_timestamp` and `rbd.parent_get`.
    ///
    /// - Parameter id: The image's id.
    /// - Returns: Both; `nil` if the image's header is missing.
    /// - Throws: `RBDError`.
    public func beginning(ofImageID id: String) async throws(RBDError) -> ImageBeginning? {
        let header = ImageObject.header(ofID: id)
        let calls = [ClassCall("rbd", "get_create_timestamp"), ClassCall("rbd", "parent_get")]
        guard let answers = try await classCalls(calls, on: header) else { return nil }
        var (created, parent) = (Decoder(answers[0]), Decoder(answers[1]))
        // See: cls_rbd_types.h, `ParentImageSpec`.
        guard let time = created.time(), var spec = parent.structure(), let poolID = spec.number(Int64.self),
            let namespace = spec.string(), let imageID = spec.string(), let snapshotID = spec.number(UInt64.self)
        else { throw RBDError(call: "rbd.parent_get", code: .ioError, subject: "\(label)/\(header)") }
        let address = SnapshotAddress(
            poolID: poolID,
            namespace: namespace,
            imageID: imageID,
            snapshotID: snapshotID
        )
        return ImageBeginning(created: time, parent: poolID < 0 ? nil : address)
    }
}

extension ImageObject {
    /// Whether librbd can have drawn an image's id for a certain client.
    ///
    /// It writes the client's number and a random one of 32 bits, both in hexadecimal digits without zeros before them, and
    /// takes the last 14 digits of that. See: librbd/Utils.cc, `generate_image_id`. Where the number ends, the id does not
    /// say, so an id fits several clients: `123456789a` is that of client 0x12 and of 0x123.
    ///
    /// - Parameters:
    ///   - id: The image's id.
    ///   - clientID: N of `client.N`.
    /// - Returns: Whether the id fits that client; it may fit another, too.
    public static func isID(_ id: String, drawnFor clientID: UInt64) -> Bool {
        let (number, digits) = (Array(String(clientID, radix: 16).utf8), Array(id.utf8))
        return (1...8).contains { random in
            let whole = number.count + random
            let dropped = max(0, whole - 14)
            return digits.count == whole - dropped && digits.starts(with: number.dropFirst(dropped))
        }
    }
}
