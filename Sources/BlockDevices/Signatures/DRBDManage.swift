/// The control volume of drbdmanage: its name, 32 hexadecimal digits and a line feed.
///
/// See: util-linux libblkid/src/superblocks/drbdmanage.c.
extension Format {
    static let drbdManage = Format("drbdmanage_control_volume", .other, Magic("$DRBDmgr=q", at: 0)) { device in
        let block = device.bytes(0, 44)
        let digits = "0123456789abcdefABCDEF".utf8
        return block.count == 44 && block[11..<43].allSatisfy { digits.contains($0) } && block[43] == UInt8(ascii: "\n")
    }
}
