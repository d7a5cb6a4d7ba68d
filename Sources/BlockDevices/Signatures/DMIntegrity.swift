/// A dm-integrity device.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let dmIntegrity = Format("DM_integrity", .crypto, Magic("integrt\0", at: 0)) { device in
        device.bytes(8, 1).contains { $0 > 0 }
    }
}
