/// An encrypted device: LUKS1, LUKS2, and the second header of LUKS2.
///
/// See: LUKS2 On-Disk Format Specification 1.1.
extension Format {
    static let luks = Format("crypto_LUKS", .crypto) { device in
        let name: [UInt8] = [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE]
        let first = [1, 2].compactMap { (version: UInt8) -> Mark? in
            guard let mark = Magic(name + [0, version], at: 0).mark(on: device) else { return nil }
            return Mark(mark.offset, 6, "version \(version)")
        }
        let secondary: [UInt8] = [0x53, 0x4B, 0x55, 0x4C, 0xBA, 0xBE]
        let second = LUKSHeader.secondaryOffsets.compactMap { offset -> Mark? in
            guard Magic(secondary, at: offset).mark(on: device) != nil,
                device.bytes(offset, 512).big(UInt64.self, at: 0x100) == offset
            else { return nil }
            return Mark(offset, 6, "version 2, second header")
        }
        return first + second
    }
}
