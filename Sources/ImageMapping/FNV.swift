/// The hash FNV-1a, for names in files and keyrings: it is the same in every process and release.
///
/// See: the IETF's draft "The FNV Non-Cryptographic Hash Algorithm".
package enum FNV {
    /// 32 bits.
    package static func hash32(_ text: String) -> UInt32 {
        text.utf8.reduce(0x811C_9DC5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    /// 64 bits.
    package static func hash64(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
