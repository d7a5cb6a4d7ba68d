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
    )
}
