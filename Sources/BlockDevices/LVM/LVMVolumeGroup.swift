internal import ExactText

/// A volume group as one of its physical volumes describes it.
public struct LVMVolumeGroup: Sendable, Hashable {
    /// Its name: `ceph-…` when ceph-volume made it.
    public let name: String
    /// Its id, without dashes.
    public let id: String
    /// How often it was changed.
    public let sequenceNumber: UInt64
    /// The size of an extent in bytes.
    public let extentBytes: UInt64
    /// Its physical volumes by the names that segments use.
    public let physicalVolumes: [String: PhysicalVolume]
    /// Its logical volumes by name.
    public let logicalVolumes: [LVMLogicalVolume]

    /// A physical volume of the group.
    public struct PhysicalVolume: Sendable, Hashable {
        /// Its id, without dashes.
        public let id: String
        /// Where its first extent begins, in bytes.
        public let firstExtentOffset: UInt64
        /// How many extents it has.
        public let extentCount: UInt64
    }

    /// Reads the text of a metadata area; `nil` if it is none.
    init?(text: [UInt8]) {
        guard let root = LVMParser.parse(text),
            let (name, group) = root.first(where: { $0.value["extent_size"] != nil }),
            let sectors = group["extent_size"]?.number, sectors > 0, sectors <= 1 << 40
        else { return nil }
        self.name = name
        id = (group["id"]?.text ?? "").filter { $0 != "-" }
        sequenceNumber = group["seqno"]?.number ?? 0
        extentBytes = sectors * 512
        physicalVolumes = (group["physical_volumes"]?.section ?? [:]).compactMapValues { value in
            guard let id = value["id"]?.text, let start = value["pe_start"]?.number, start <= 1 << 50 else {
                return nil
            }
            let count = value["pe_count"]?.number ?? 0
            return PhysicalVolume(id: id.filter { $0 != "-" }, firstExtentOffset: start * 512, extentCount: count)
        }
        logicalVolumes = (group["logical_volumes"]?.section ?? [:])
            .map { LVMLogicalVolume(name: $0.key, $0.value) }
            .sorted { $0.name < $1.name }
    }

    /// The extents that no logical volume has taken.
    public var freeExtents: UInt64 {
        let all = physicalVolumes.values.reduce(UInt64(0)) { $0.addingReportingOverflow($1.extentCount).partialValue }
        let used = logicalVolumes.flatMap(\.segments)
            .reduce(UInt64(0)) { $0.addingReportingOverflow($1.extentCount).partialValue }
        return all - min(all, used)
    }
}

/// A logical volume as the group's metadata describes it.
public struct LVMLogicalVolume: Sendable, Hashable {
    /// Its name: `osd-block-…` when ceph-volume made it.
    public let name: String
    /// Its id, without dashes.
    public let id: String
    /// Its tags, secrets left out.
    public let tags: [String: String]
    /// The names of its tags that hold a secret, such as `ceph.cephx_lockbox_secret` of an encrypted OSD.
    public let secrets: Set<String>
    /// Its parts in order.
    public let segments: [Segment]

    /// A part of a logical volume.
    public struct Segment: Sendable, Hashable {
        /// Such as `striped` or `thin`.
        public let type: String
        /// Its first logical extent.
        public let startExtent: UInt64
        /// How many extents it has.
        public let extentCount: UInt64
        /// The physical volumes under it, and the extent on each where it begins.
        public let stripes: [Stripe]
    }

    /// Where a segment lies on a physical volume.
    public struct Stripe: Sendable, Hashable {
        /// The physical volume, by the name in the metadata.
        public let physicalVolume: String
        /// The first extent.
        public let startExtent: UInt64
    }

    init(name: String, _ value: LVMValue) {
        self.name = name
        id = (value["id"]?.text ?? "").filter { $0 != "-" }
        let all = Self.tags(value["tags"]?.list.compactMap(\.text) ?? [])
        tags = all.filter { !Self.isSecret($0.key) }
        secrets = Set(all.filter { Self.isSecret($0.key) && !$0.value.isEmpty }.keys)
        segments = value.section.filter { $0.key.startsExactly(with: "segment") && $0.key != "segment_count" }
            .compactMap { Self.segment($0.value) }
            .sorted { $0.startExtent < $1.startExtent }
    }

    private static func segment(_ value: LVMValue) -> Segment? {
        guard let start = value["start_extent"]?.number, let count = value["extent_count"]?.number else { return nil }
        let list = value["stripes"]?.list ?? []
        let stripes = stride(from: 0, to: list.count - 1, by: 2).compactMap { index -> Stripe? in
            guard let volume = list[index].text, let extent = list[index + 1].number else { return nil }
            return Stripe(physicalVolume: volume, startExtent: extent)
        }
        return Segment(type: value["type"]?.text ?? "", startExtent: start, extentCount: count, stripes: stripes)
    }

    /// Whether a tag's value is not passed on: the lockbox secret gives access to the OSD's key.
    private static func isSecret(_ key: String) -> Bool { key.contains("secret") }

    /// Tags as ceph-volume makes them: `key=value`.
    private static func tags(_ list: [String]) -> [String: String] {
        var tags: [String: String] = [:]
        for tag in list {
            let pair = tag.parts(at: "=", most: 1)
            tags[pair[0]] = pair.count > 1 ? pair[1] : ""
        }
        return tags
    }
}
