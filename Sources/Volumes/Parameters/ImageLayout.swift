internal import ExactText

/// How an image is laid out according to the StorageClass; Ceph chooses what the class does not say.
public struct ImageLayout: Sendable, Hashable {
    /// The features by Ceph's names, in the order given; `nil` for the cluster's default.
    public var features: [String]?
    /// The size of its objects in bytes: a power of two, 4 KiB to 32 MiB.
    public var objectSizeBytes: UInt64?
    /// Bytes of a stripe in one object; goes with `stripeCount`.
    public var stripeUnitBytes: UInt64?
    /// Objects that a stripe spreads over; goes with `stripeUnitBytes`.
    public var stripeCount: UInt64?
    /// The pool for the data, when that is another.
    public var dataPool: String?

    /// Leaves everything to Ceph.
    public init() {}

    /// librbd's object size when none is given.
    static let usualObjectSizeBytes: UInt64 = 4 << 20

    /// The features that a class may name, each with the one it needs.
    static let features: [(name: String, needs: String?)] = [
        ("layering", nil), ("exclusive-lock", nil), ("object-map", "exclusive-lock"), ("fast-diff", "object-map"),
        ("journaling", "exclusive-lock"), ("deep-flatten", nil),
    ]

    static func featureNames(_ list: String) -> [String] {
        let space = UInt8(ascii: " ")
        return list.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { name in
            var name = name.drop { $0 == space }
            while name.last == space { name.removeLast() }
            return String(decoding: name, as: UTF8.self)
        }
    }

    static func featureFault(in names: [String]) -> String? {
        for name in names {
            guard let feature = features.first(where: { $0.name == name }) else {
                return "names '\(name.printable)', which is not one of \(features.map(\.name).joined(separator: ", "))"
            }
            if let needed = feature.needs, !names.contains(needed) {
                return "names \(name) without \(needed), which it needs; add \(needed)"
            }
        }
        return nil
    }

    /// Says what does not fit together, or `nil`.
    var fault: String? {
        let objectSize = objectSizeBytes ?? Self.usualObjectSizeBytes
        guard objectSize.nonzeroBitCount == 1, (4 << 10...32 << 20).contains(objectSize) else {
            return "parameter objectSize \(objectSize) is not a power of two from 4096 to 33554432 bytes"
        }
        switch (stripeUnitBytes, stripeCount) {
        case (nil, nil): return nil
        case (nil, _): return "parameter stripeCount is given without stripeUnit; give both or none"
        case (_, nil): return "parameter stripeUnit is given without stripeCount; give both or none"
        case (let unit?, let count?):
            guard unit > 0, unit <= objectSize, objectSize % unit == 0 else {
                return "parameter stripeUnit \(unit) does not divide the object size of \(objectSize) bytes"
            }
            guard unit >= 512 else { return "parameter stripeUnit \(unit) is below 512 bytes" }
            guard (1...1024).contains(count) else { return "parameter stripeCount \(count) is not from 1 to 1024" }
            return nil
        }
    }
}
