/// Intel Matrix RAID: its anchor is two logical sectors before the end.
///
/// See: util-linux libblkid/src/superblocks/isw_raid.c.
extension Format {
    static let intelRAID = Format("isw_raid_member", .raid, minimumBytes: 64 << 10) { device in
        // A disk that was moved to another controller may have another sector size now.
        [512, 4096].compactMap { (sector: UInt64) in
            let offset = (device.sizeBytes / sector - 2) * sector
            return Magic("Intel Raid ISM Cfg Sig. ", at: offset).mark(on: device)
        }
    }
}
