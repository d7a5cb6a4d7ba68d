/// The external log of an XFS: a record header in one of the first 512 sectors.
///
/// | offset | field | |
/// | --- | --- | --- |
/// | 0 | magic u32 | FE ED BA BE |
/// | 8 | version u32 | 1 or 2 |
/// | 300 | format u32 | 1 to 3 |
///
/// See: fs/xfs/libxfs/xfs_log_format.h; big-endian.
extension Format {
    static let xfsLog = Format("xfs_external_log", .other, minimumBytes: 4096) { device in
        let head = device.bytes(0, device.isThorough ? 256 << 10 : 4096)
        for offset in stride(from: 0, to: head.count, by: 512) {
            guard head.big(UInt32.self, at: offset) == 0xFEED_BABE else { continue }
            guard let version = head.big(UInt32.self, at: offset + 8), (1...2).contains(version),
                let format = head.big(UInt32.self, at: offset + 300), (1...3).contains(format)
            else { continue }
            return [Mark(UInt64(offset), 4)]
        }
        return []
    }
}
