/// The ext family: the magic is at 0x438; the feature words tell the member, as in blkid.
///
/// See: Documentation/filesystems/ext4/super.rst.
extension Format {
    static let ext2 = ext("ext2") { !$0.isJournal && !$0.isNewer && !$0.hasJournal }
    static let ext3 = ext("ext3") { !$0.isJournal && !$0.isNewer && $0.hasJournal }
    static let ext4 = ext("ext4") { !$0.isJournal && $0.isNewer && !$0.isTest }
    /// As tests of ext4 made it before it was released, and `mke2fs -E test_fs` still does.
    static let ext4Test = ext("ext4dev") { !$0.isJournal && $0.isTest }
    static let extJournal = ext("jbd") { $0.isJournal }

    private static func ext(_ name: String, _ isThis: @escaping @Sendable (ExtFeatures) -> Bool) -> Format {
        Format(name, .fileSystem, minimumBytes: 2048) { device in
            let block = device.bytes(1024, 512)
            guard block.slice(56, 2)?.elementsEqual([0x53, 0xEF]) ?? false, isThis(ExtFeatures(block)) else {
                return []
            }
            let label = block.text(120, 16)
            return [Mark(0x438, 2, label.isEmpty ? nil : "label \(label)")]
        }
    }
}

private struct ExtFeatures {
    let hasJournal: Bool
    let isJournal: Bool
    let isNewer: Bool
    let isTest: Bool

    init(_ block: [UInt8]) {
        let incompatible = block.little(UInt32.self, at: 96) ?? 0
        hasJournal = (block.little(UInt32.self, at: 92) ?? 0) & 0x4 != 0
        isJournal = incompatible & 0x8 != 0
        isTest = (block.little(UInt32.self, at: 352) ?? 0) & 0x4 != 0
        // Beyond filetype, recover, journal_dev and meta_bg; beyond sparse_super, large_file and btree_dir.
        isNewer = incompatible & ~0x1E != 0 || (block.little(UInt32.self, at: 100) ?? 0) & ~0x7 != 0
    }
}
