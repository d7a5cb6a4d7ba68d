/// Promise FastTrak: its name in one of thirteen sectors near the end.
///
/// See: util-linux libblkid/src/superblocks/promise_raid.c.
extension Format {
    static let promiseRAID = Format("promise_fasttrack_raid_member", .raid, minimumBytes: 64 << 10) { device in
        [63, 255, 256, 16, 399, 591, 675, 735, 911, 974, 991, 951, 3087].compactMap {
            Magic(Array("Promise Technology, Inc.".utf8), beforeEnd: $0 * 512).mark(on: device)
        }
    }
}
