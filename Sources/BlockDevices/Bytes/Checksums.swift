/// Cyclic redundancy checks with 32 bits, reflected.
struct CRC32: Sendable {
    private let table: [UInt32]

    private init(polynomial: UInt32) {
        table = (0..<256).map { index in
            (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 0 ? value >> 1 : (value >> 1) ^ polynomial }
        }
    }

    /// zlib's: GPT, LVM2, nilfs2.
    static let ieee = CRC32(polynomial: 0xEDB8_8320)
    /// Castagnoli's: BlueStore.
    static let castagnoli = CRC32(polynomial: 0x82F6_3B78)

    /// The CRC register after `bytes`, without the final inversion.
    func callAsFunction(_ bytes: some Sequence<UInt8>, from initial: UInt32) -> UInt32 {
        bytes.reduce(initial) { ($0 >> 8) ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }

    /// The CRC as zlib computes it: starts with all ones and is inverted at the end.
    static func zlib(_ bytes: some Sequence<UInt8>) -> UInt32 { ~ieee(bytes, from: ~0) }
}

extension CRC32 {
    /// LVM2's own beginning.
    static func lvm(_ bytes: some Sequence<UInt8>) -> UInt32 { ieee(bytes, from: 0xF597_A6CF) }
    /// As Ceph encodes it: all ones to begin with.
    static func ceph(_ bytes: some Sequence<UInt8>) -> UInt32 { castagnoli(bytes, from: ~0) }
}
