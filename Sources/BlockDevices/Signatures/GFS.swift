/// GFS and GFS2: the same magic at 64 KiB; the format word at 24 tells them apart.
///
/// See: <linux/gfs2_ondisk.h>; big-endian.
extension Format {
    static let gfs = gfs("gfs") { $0 == 1309 }
    static let gfs2 = gfs("gfs2") { (1800...1899).contains($0) }

    private static func gfs(_ name: String, _ isThis: @escaping @Sendable (UInt32) -> Bool) -> Format {
        Format(name, .fileSystem, minimumBytes: 32 << 20) { device in
            let block = device.bytes(0x10000, 64)
            guard block.big(UInt32.self, at: 0) == 0x0116_1970, let format = block.big(UInt32.self, at: 24),
                isThis(format)
            else { return [] }
            return [Mark(0x10000, 4)]
        }
    }
}
