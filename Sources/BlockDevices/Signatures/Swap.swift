/// Swap space: the magic is at the end of the first page, for any page size.
///
/// See: mkswap(8).
extension Format {
    static let swap = Format("swap", .fileSystem, minimumBytes: 10 * 4096) { device in
        // The newer one has a header: version 1 and the last page, in the byte order of whoever made it.
        let header = device.bytes(1024, 8)
        let isNew = [header.little(UInt32.self, at: 0), header.big(UInt32.self, at: 0)].contains(1)
        let names = isNew && header.little(UInt32.self, at: 4) != 0 ? ["SWAPSPACE2", "SWAP-SPACE"] : ["SWAP-SPACE"]
        return Self.pageEnds.flatMap { end in names.compactMap { Magic($0, at: end - 10).mark(on: device) } }
    }

    /// An image of a sleeping machine.
    static let suspend = Format("swsuspend", .fileSystem) { device in
        let images = Self.pageEnds.flatMap { end in
            ["S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"].compactMap {
                Magic($0, at: end - 10).mark(on: device)
            }
        }
        let tuxOnIce: [UInt8] = [0xED, 0xC3, 0x02, 0xE9, 0x98, 0x56, 0xE5, 0x0C]
        return images + [Magic(tuxOnIce, at: 0).mark(on: device)].compactMap(\.self)
    }

    private static let pageEnds: [UInt64] = [0x1000, 0x2000, 0x4000, 0x8000, 0x10000]
}
