/// A device of Micron's mpool: a descriptor of 62 bytes and its checksum.
///
/// See: util-linux libblkid/src/superblocks/mpool.c.
extension Format {
    static let mpool = Format(
        "mpool",
        .fileSystem,
        Magic("mpoolDev", at: 0),
        isSound: { device in
            let block = device.bytes(0, 66)
            return block.little(UInt32.self, at: 62) == ~CRC32.ceph(block.prefix(62))
        }
    )
}
