/// The hash device of dm-verity.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let dmVerity = Format("DM_verity_hash", .crypto, Magic("verity\0\0", at: 0)) { device in
        device.bytes(0, 12).little(UInt32.self, at: 8) == 1
    }
}
