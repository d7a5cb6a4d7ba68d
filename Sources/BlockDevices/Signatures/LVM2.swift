/// A physical volume of LVM2: its label in one of the first four sectors, and metadata areas, also without a label.
///
/// blkid sees only the label; `pvck --dump metadata_search` still finds the metadata.
extension Format {
    static let lvm2 = Format("LVM2_member", .raid) { device in
        (0..<4).compactMap { Magic("LVM2 001", at: 512 * $0 + 24).mark(on: device) }
    }

    static let lvm2Metadata = Format("lvm2_metadata", .other, minimumBytes: 8192) { device in
        let named = LVMPhysicalVolume(device.source)?.metadataAreas.map { $0.offset + 4 } ?? []
        let last = device.beforeEnd(1 << 20).map { $0 / 4096 * 4096 + 4 }
        return Set(named + [4100] + [last].compactMap(\.self)).sorted()
            .compactMap { Magic(LVMMetadataArea.magic, at: $0).mark(on: device) }
    }
}
