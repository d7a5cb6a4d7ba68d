/// GFS and GFS2: the same magic at 64 KiB; the words of the format at 24 and 28 tell them apart.
///
/// See: <linux/gfs2_ondisk.h>; big-endian.
extension Format {
    static let gfs = gfs("gfs") { $0 == 1309 && $1 == 1401 }
    static let gfs2 = gfs("gfs2") { format, _ in (1800...1899).contains(format) }

    private static func gfs(_ name: String, _ isThis: @escaping @Sendable (UInt32, UInt32) -> Bool) -> Format {
        Format(name, .fileSystem, minimumBytes: 32 << 20) { device in
            let block = device.bytes(0x10000, 64)
            guard block.big(UInt32.self, at: 0) == 0x0116_1970, let format = block.big(UInt32.self, at: 24),
                let multihost = block.big(UInt32.self, at: 28), isThis(format, multihost)
            else { return [] }
            return [Mark(0x10000, 4)]
        }
    }
}
