/// UDF: the volume recognition sequence.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let udf = Format(
        "udf",
        .fileSystem,
        Magic("BEA01", at: 0x8001),
        Magic("NSR02", at: 0x8001),
        Magic("NSR03", at: 0x8001),
        Magic("NSR02", at: 0x8801),
        Magic("NSR03", at: 0x8801),
        Magic("NSR02", at: 0x9001),
        Magic("NSR03", at: 0x9001)
    ) { device in
        // The sequence also begins other formats; these two names stand for UDF. Its descriptors are 2 KiB, or a block, apart.
        stride(from: UInt64(0x8001), to: 0x10001, by: 2048).contains { place in
            ["NSR02", "NSR03"].contains { device.source.holds($0, at: place) }
        }
    }
}
