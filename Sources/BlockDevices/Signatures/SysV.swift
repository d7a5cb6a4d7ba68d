/// The file systems of System V and of Xenix, in either byte order.
///
/// System V's super block is in the second half of block 0, 9, 15 or 18; its magic is 504 bytes into it. See: util-linux
/// libblkid/src/superblocks/sysv.c.
extension Format {
    static let sysV = Format("sysv", .fileSystem) { device in
        [0, 9, 15, 18].flatMap { (block: UInt64) in
            [[0x20, 0x7E, 0x18, 0xFD], [0xFD, 0x18, 0x7E, 0x20]].compactMap { (bytes: [UInt8]) in
                Magic(bytes, at: block * 1024 + 512 + 504).mark(on: device)
            }
        }
    }

    static let xenix = Format(
        "xenix",
        .fileSystem,
        Magic([0x2B, 0x55, 0x44], at: 0x800),
        Magic([0x44, 0x55, 0x2B], at: 0x800)
    )
}
