/// Apple's partition map: a driver descriptor at 0 and a map in the next block.
///
/// See: Inside Macintosh: Devices; big-endian.
extension Format {
    static let macTable = Format("mac", .partitionTable) { device in
        let head = device.bytes(0, 8)
        guard head.holds("ER", at: 0), let size = head.big(UInt16.self, at: 2), size >= 512, size % 512 == 0,
            device.source.holds("PM", at: UInt64(size)) || device.source.holds("TS", at: UInt64(size))
        else { return [] }
        return [Mark(0, 2), Mark(UInt64(size), 2)]
    }
}
