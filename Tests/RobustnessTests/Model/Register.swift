import Glibc

/// What is written to a volume: a number, whose volume it is, and a check sum, in blocks of 4 KiB by turns.
///
/// A block that is torn by a fault hides none that was acknowledged before: the next write goes to another one.
enum Register {
    static let blockBytes = 4096
    static let blocks = 8

    /// Which block a write goes to.
    static func block(of number: Int) -> Int { number % blocks }

    /// The bytes of a write.
    static func bytes(_ number: Int, volume: String) -> [UInt8] {
        let head = "nacre register \(number) of \(volume) "
        let line = head + "\(sum(Array(head.utf8)))\n"
        return Array(line.utf8) + [UInt8](repeating: UInt8(ascii: "."), count: blockBytes - line.utf8.count)
    }

    /// The highest number that whole blocks hold; nothing when none is whole.
    static func number(in bytes: [UInt8], volume: String) -> Int? {
        stride(from: 0, to: bytes.count - bytes.count % blockBytes, by: blockBytes)
            .compactMap { number(inBlock: Array(bytes[$0..<$0 + blockBytes]), volume: volume) }.max()
    }

    private static func number(inBlock block: [UInt8], volume: String) -> Int? {
        let line = block.prefix { $0 != UInt8(ascii: "\n") }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ")
        guard words.count == 6, words[0] == "nacre", words[4] == volume, let number = Int(words[2]) else { return nil }
        return bytes(number, volume: volume) == block ? number : nil
    }

    /// FNV-1a, 64 bits.
    private static func sum(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
