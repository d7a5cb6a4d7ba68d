public import ImageMapping

/// Which mapper a volume's class, or the node, asks for.
public struct MapperChoice: Sendable, Hashable {
    /// The one that is wanted; nothing for the first that can.
    public let preferred: MapperKind?
    /// Whether another one will do when that cannot.
    public let mayFallBack: Bool

    /// The first that can.
    public static let auto = MapperChoice(preferred: nil, mayFallBack: true)

    /// Prefers one.
    public init(preferred: MapperKind?, mayFallBack: Bool) {
        self.preferred = preferred
        self.mayFallBack = mayFallBack
    }

    /// Reads the `mounter` of a class, ceph-csi's names too; nothing when it is no mapper's name.
    ///
    /// - Parameters:
    ///   - mounter: `auto`, `krbd` or `rbd`, `nbd` or `rbd-nbd`, `fuse`.
    ///   - mayFallBack: The class's `tryOtherMounters`.
    public init?(mounter: String, mayFallBack: Bool) {
        switch mounter {
        case "auto", "": self = .auto
        case "krbd", "rbd": self.init(preferred: .krbd, mayFallBack: mayFallBack)
        case "nbd", "rbd-nbd": self.init(preferred: .nbd, mayFallBack: mayFallBack)
        case "fuse": self.init(preferred: .fuse, mayFallBack: mayFallBack)
        default: return nil
        }
    }

    /// The mappers to try, best first.
    func order(of kinds: [MapperKind]) -> [MapperKind] {
        guard let preferred else { return kinds }
        return mayFallBack ? [preferred] + kinds.filter { $0 != preferred } : [preferred]
    }
}
