/// The volume label of an IBM DASD: `VOL1` in EBCDIC in the third block.
///
/// See: util-linux libblkid/src/partitions/dasd.c.
extension Format {
    static let dasdTable = Format("dasd", .partitionTable) { device in
        let magic: [UInt8] = [0xE5, 0xD6, 0xD3, 0xF1]
        return [1024, 2048, 4096, 8192].flatMap { block in
            [Magic(magic, at: block), Magic(magic, at: block + 4)].compactMap { $0.mark(on: device) }
        }
    }
}
