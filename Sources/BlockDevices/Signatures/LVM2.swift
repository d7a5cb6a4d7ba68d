/// A physical volume of LVM2: its label in one of the first four sectors, and metadata areas, also without a label.
///
/// blkid sees only the label; `pvck --dump metadata_search` still finds the metadata.
extension Format {
    static let lvm2 = Format("LVM2_member", .raid) { device in
        (0..<4).compactMap { (number: UInt64) -> Mark? in
            guard let mark = Magic("LVM2 001", at: 512 * number + 24).mark(on: device) else { return nil }
            let sector = device.bytes(512 * number, 512)
            guard sector.holds("LABELONE", at: 0), sector.little(UInt64.self, at: 8) == number else { return nil }
            // LVM and blkid pass over it, but the data is there: vgcfgrestore may bring them back.
            let isSound = CRC32.lvm(sector.dropFirst(20)) == sector.little(UInt32.self, at: 16)
            return Mark(mark.offset, mark.length, isSound ? nil : Mark.wrongChecksum)
        }
    }

    static let lvm2Metadata = Format("lvm2_metadata", .other, minimumBytes: 8192) { device in
        let named = LVMPhysicalVolume(device.source)?.metadataAreas.map { $0.offset + 4 } ?? []
        let last = device.beforeEnd(1 << 20).map { $0 / 4096 * 4096 + 4 }
        return Set(named + [4100] + [last].compactMap(\.self)).sorted()
            .compactMap { Magic(LVMMetadataArea.magic, at: $0).mark(on: device) }
    }
}
