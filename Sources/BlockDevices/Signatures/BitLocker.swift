/// BitLocker, as Vista, Windows 7 and BitLocker To Go write it; the last two say where its metadata are.
///
/// See: util-linux libblkid/src/superblocks/bitlocker.c.
extension Format {
    static let bitLocker = Format("BitLocker", .crypto) { device in BitLocker.isOn(device) ? [Mark(0, 11)] : [] }
}

enum BitLocker {
    static func isOn(_ device: ProbedDevice) -> Bool {
        let head = device.bytes(0, 512)
        func begins(_ jump: [UInt8], _ name: String) -> Bool { head.starts(with: jump) && head.holds(name, at: 3) }
        if begins([0xEB, 0x52, 0x90], "-FVE-FS-") { return true }
        let field: Int? =
            if begins([0xEB, 0x58, 0x90], "-FVE-FS-") { 176 } else if begins([0xEB, 0x58, 0x90], "MSWIN4.1") {
                440
            } else { nil }
        guard let field, let place = head.little(UInt64.self, at: field), place > 0, place % 64 == 0 else {
            return false
        }
        return device.source.holds("-FVE-FS-", at: place)
    }
}
