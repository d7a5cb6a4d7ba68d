/// Minix file systems, versions 1 to 3, in either byte order.
///
/// Sixteen bits are a weak magic, so there must be as many maps as inodes and zones need. ext and EROFS, whose super
/// blocks may hold those bytes, come first. See: <linux/minix_fs.h>.
extension Format {
    static let minix = Format("minix", .fileSystem, minimumBytes: 10 << 10) { device in
        let block = device.bytes(1024, 64)
        guard block.slice(56, 2)?.elementsEqual([0x53, 0xEF]) == false, erofs.find(device).isEmpty else { return [] }
        let readers: [((UInt16.Type, Int) -> UInt16?, (UInt32.Type, Int) -> UInt32?)] = [
            (block.little, block.little), (block.big, block.big),
        ]
        for (short, long) in readers {
            let magic = short(UInt16.self, 16) ?? 0
            if let isSecond = [0x137F: false, 0x138F: false, 0x2468: true, 0x2478: true][magic],
                let zones = isSecond ? long(UInt32.self, 20) : short(UInt16.self, 2).map(UInt32.init),
                let inodes = short(UInt16.self, 0), let state = short(UInt16.self, 18), state & ~3 == 0,
                let maps = MinixMaps(short, inodes: UInt32(inodes), zones: zones, from: 4), maps.areEnough
            {
                return [Mark(1024 + 16, 2)]
            }
            if short(UInt16.self, 24) == 0x4D5A, let inodes = long(UInt32.self, 0), let zones = long(UInt32.self, 20),
                let maps = MinixMaps(short, inodes: inodes, zones: zones, from: 6), maps.areEnough
            {
                return [Mark(1024 + 24, 2)]
            }
        }
        return []
    }
}

/// The bit maps of a Minix file system, as its super block counts them.
private struct MinixMaps {
    let areEnough: Bool

    /// `offset` is where the number of inode maps stands; those of zone maps, the first zone and the size of a zone follow.
    init?(_ short: (UInt16.Type, Int) -> UInt16?, inodes: UInt32, zones: UInt32, from offset: Int) {
        guard let inodeMaps = short(UInt16.self, offset), let zoneMaps = short(UInt16.self, offset + 2),
            let firstZone = short(UInt16.self, offset + 4), let zoneLog = short(UInt16.self, offset + 6)
        else { return nil }
        let (inodes, zones, first) = (UInt64(inodes), UInt64(zones), UInt64(firstZone))
        areEnough =
            zoneLog == 0 && inodes > 0 && UInt64(inodeMaps) * 8192 >= inodes + 1 && first <= zones
            && UInt64(zoneMaps) * 8192 >= zones - min(first, zones) + 1
    }
}
