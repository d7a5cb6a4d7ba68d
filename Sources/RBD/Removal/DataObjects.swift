internal import Blocking
internal import RADOS
internal import SystemPackage

/// How the existing data objects of an image are found without asking for every possible one.
///
/// | image | objects |
/// | --- | --- |
/// | has a good object map | those that the map has: one read, however large the image |
/// | could have few | all of their numbers |
/// | could have more than it pays to ask for | those of the pool whose name begins with the image's prefix |
enum DataObjects: Sendable {
    case mapped(ObjectMap)
    case numbered(UInt64)
    case listed

    /// Up to this number, objects are asked for one by one, whatever the pool holds.
    private static let few: UInt64 = 4096
    /// Listing this many objects costs the cluster about as much as one delete.
    private static let listedAtOnce: UInt64 = 64

    /// Chooses the way.
    static func of(
        _ header: TrashedHeader,
        id: String,
        in context: IOContext,
        data: IOContext,
        on threads: BlockingPool
    ) async throws(RBDError) -> DataObjects {
        if header.hasGoodMap, let map = try await context.objectMap(ofID: id) { return .mapped(map) }
        let (whole, rest) = header.sizeBytes.quotientAndRemainder(dividingBy: 1 << UInt64(header.order))
        // Stripes are spread over a set of objects; at the end of the image each object of the set may be used in part.
        let striping = header.features.contains(.striping) ? try await context.stripeCount(ofID: id) : 1
        let most = whole + (rest == 0 ? 0 : 1) + striping
        guard most > few else { return .numbered(most) }
        // A user who may not ask the monitors lists the objects, which is always correct.
        let held = try? await threads.run { () throws(RADOSError) in try data.objectCount() }
        guard let held, most < held / listedAtOnce else { return .listed }
        return .numbered(most)
    }
}

extension IOContext {
    /// Objects that an image's stripes spread over.
    ///
    /// Implements the class call `rbd.get_stripe_unit_count`.
    fileprivate func stripeCount(ofID id: String) async throws(RBDError) -> UInt64 {
        let call = [ClassCall("rbd", "get_stripe_unit_count")]
        guard let answer = try await classCalls(call, on: ImageObject.header(ofID: id)) else { return 1 }
        var decoder = Decoder(answer[0])
        guard decoder.number(UInt64.self) != nil, let count = decoder.number(UInt64.self) else { return 1 }
        return count
    }
}
