/// ReiserFS, versions 3.5, 3.6 and with a relocated journal.
///
/// A super block in the journal is a copy, so the journal must not begin before it. One whose journal is on another
/// device (`jp_journal_dev` is not 0) has none around it, and the place in it is one on that device, mostly 0; libblkid
/// compares it nevertheless, and does not find what `mkreiserfs -j` makes. See: util-linux
/// libblkid/src/superblocks/reiserfs.c.
extension Format {
    static let reiserFS = Format("reiserfs", .fileSystem, minimumBytes: 128 << 10) { device in
        [
            (0x2000, 0x34, "ReIsErFs"), (0x10000, 0x34, "ReIsErFs"), (0x10000, 0x34, "ReIsEr2Fs"),
            (0x10000, 0x34, "ReIsEr3Fs"),
            (0x2000, 0x14, "ReIsErFs"),
        ].compactMap { (start: UInt64, place: Int, name: String) in
            let block = device.bytes(start, 128)
            guard block.holds(name, at: place), let size = block.little(UInt16.self, at: 44), size >= 512,
                let journal = block.little(UInt32.self, at: 12), let other = block.little(UInt32.self, at: 16),
                name == "ReIsEr3Fs" && other != 0 || start / 1024 / UInt64(size >> 9) <= UInt64(journal) / 2
            else { return nil }
            return Mark(start + UInt64(place), name.utf8.count)
        }
    }
}
