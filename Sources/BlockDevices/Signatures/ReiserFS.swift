/// ReiserFS, versions 3.5, 3.6 and with a relocated journal.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let reiserFS = Format(
        "reiserfs",
        .fileSystem,
        Magic("ReIsErFs", at: 0x2034),
        Magic("ReIsErFs", at: 0x10034),
        Magic("ReIsEr2Fs", at: 0x10034),
        Magic("ReIsEr3Fs", at: 0x10034),
        Magic("ReIsErFs", at: 0x2014)
    )
}
