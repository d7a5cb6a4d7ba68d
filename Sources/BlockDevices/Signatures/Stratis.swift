/// A member of a Stratis pool: two copies of its sector, each with a checksum.
///
/// See: util-linux libblkid/src/superblocks/stratis.c.
extension Format {
    static let stratis = Format("stratis", .other) { device in
        let magic: [UInt8] = [
            0x21, 0x53, 0x74, 0x72, 0x61, 0x30, 0x74, 0x69, 0x73, 0x86, 0xFF, 0x02, 0x5E, 0x41, 0x72, 0x68,
        ]
        return [512, 4608].compactMap { (offset: UInt64) in
            let sector = device.bytes(offset, 512)
            guard let mark = Magic(magic, at: offset + 4).mark(on: device),
                sector.little(UInt32.self, at: 0) == ~CRC32.ceph(sector.dropFirst(4))
            else { return nil }
            return mark
        }
    }
}
