public import RADOS
internal import SystemPackage

/// An image's header, read by class calls; the image is not opened, so this client does not become a watcher.
///
/// | object | holds |
/// | --- | --- |
/// | `rbd_id.NAME` | the image's id, a length-prefixed string |
/// | `rbd_header.ID` | size, features, snapshots, metadata; its watchers are who has the image open |
/// | `rbd_object_map.ID` | which data objects exist, with the object-map feature |
/// | `rbd_directory` | name → id and id → name of all images |
public struct ImageHeader: Sendable, Hashable {
    /// The image's id, the same for its whole life, also in the trash.
    public let id: String
    /// Its size in bytes.
    public let sizeBytes: UInt64
    /// log2 of its object size.
    public let order: UInt8
    /// What it can do.
    public let features: ImageFeatures
    /// The number of the pool that holds its data; -1 for its own pool.
    public let dataPoolID: Int64
    /// Bytes of a stripe in one object; the object size without the striping feature.
    public let stripeUnitBytes: UInt64
    /// Objects that a stripe spreads over; 1 without the striping feature.
    public let stripeCount: UInt64

    /// The size of its objects in bytes.
    public var objectSizeBytes: UInt64 { 1 << UInt64(order) }
}

/// The names of an image's objects.
public enum ImageObject {
    /// The object that holds the id of the image named so.
    public static func id(ofName name: String) -> String { "rbd_id.\(name)" }
    /// The object that is the image's header.
    public static func header(ofID id: String) -> String { "rbd_header.\(id)" }
    /// The object that holds the image's object map.
    public static func objectMap(ofID id: String) -> String { "rbd_object_map.\(id)" }
    /// The object that lists a pool's images.
    public static let directory = "rbd_directory"
    /// The object that has a pool's settings, in its default namespace.
    public static let poolInfo = "rbd_info"
    /// The object that lists a pool's trash.
    public static let trash = "rbd_trash"
    /// The object that lists the clones of format 1 that lie in a pool, by their parents.
    static let children = "rbd_children"
    /// The object that lists a pool's groups of images.
    static let groups = "rbd_group_directory"
    /// The object that lists a pool's mirrored images.
    public static let mirroring = "rbd_mirroring"
}

extension IOContext {
    /// The id of the image of that name, or `nil` if there is none.
    ///
    /// One read; an image id is shorter than 64 bytes.
    public func imageID(named name: String) async throws(RBDError) -> String? {
        do throws(RADOSError) {
            var decoder = Decoder(try await read(ImageObject.id(ofName: name), limit: 256))
            return decoder.string()
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
    }

    /// An image's header by its id, or `nil` if it is missing.
    ///
    /// One round trip, two with striping.
    ///
    /// Implements the class calls `rbd.get_size`, `rbd.get_features`, `rbd.get_data_pool`,
    /// `rbd.get_stripe_unit_count`.
    public func imageHeader(id: String) async throws(RBDError) -> ImageHeader? {
        var head = Encoder()
        head.append(UInt64.max - 1)  // CEPH_NOSNAP: the image itself, not one of its snapshots.
        var headAndAccess = head
        headAndAccess.append(true)
        let calls = [
            ClassCall("rbd", "get_size", input: head.bytes),
            ClassCall("rbd", "get_features", input: headAndAccess.bytes),
            ClassCall("rbd", "get_data_pool"),
        ]
        guard let answers = try await classCalls(calls, on: ImageObject.header(ofID: id)) else { return nil }
        var size = Decoder(answers[0])
        var features = Decoder(answers[1])
        var pool = Decoder(answers[2])
        guard let order = size.number(UInt8.self), order < 32, let sizeBytes = size.number(UInt64.self),
            let featureBits = features.number(UInt64.self), let dataPoolID = pool.number(Int64.self)
        else { throw malformed(id, "get_size") }
        var striping: (unit: UInt64, count: UInt64) = (1 << UInt64(order), 1)
        if ImageFeatures(rawValue: featureBits).contains(.striping) {
            let call = [ClassCall("rbd", "get_stripe_unit_count")]
            guard let answer = try await classCalls(call, on: ImageObject.header(ofID: id)) else { return nil }
            var decoder = Decoder(answer[0])
            guard let unit = decoder.number(UInt64.self), let count = decoder.number(UInt64.self) else {
                throw malformed(id, "get_stripe_unit_count")
            }
            striping = (unit, count)
        }
        return ImageHeader(
            id: id,
            sizeBytes: sizeBytes,
            order: order,
            features: ImageFeatures(rawValue: featureBits),
            dataPoolID: dataPoolID,
            stripeUnitBytes: striping.unit,
            stripeCount: striping.count
        )
    }

    /// Runs read-only class calls; `nil` if the object is missing.
    func classCalls(_ calls: [ClassCall], on object: String) async throws(RBDError) -> [[UInt8]]? {
        do throws(RADOSError) {
            return try await read(calls, on: object)
        } catch {
            guard error.isNotFound else { throw RBDError(error) }
            return nil
        }
    }

    private func malformed(_ id: String, _ method: String) -> RBDError {
        RBDError(call: "rbd.\(method)", code: .ioError, subject: "\(label)/\(ImageObject.header(ofID: id))")
    }
}
