/// BeFS, in either byte order: four magics in one super block.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let befs = Format(
        "befs",
        .fileSystem,
        Magic("BFS1", at: 32),
        Magic("1SFB", at: 32),
        Magic("BFS1", at: 544),
        Magic("1SFB", at: 544)
    ) { device in
        [0, 512].contains { (offset: UInt64) in
            let block = device.bytes(offset, 128)
            return [(36, 0x4249_4745), (68, 0xDD12_1031), (112, 0x15B6_830E)].allSatisfy { place, magic in
                [block.little(UInt32.self, at: place), block.big(UInt32.self, at: place)].contains(magic)
            }
        }
    }
}
