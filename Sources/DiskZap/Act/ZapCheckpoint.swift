internal import BlockDevices
internal import ExactText

/// How far the overwriting of a whole device got, so that the zap after a kill goes on there and not at the beginning.
///
/// It stands in the last block of the marker's place: text with one fact in each line, `method NAME`, `pass N`, `unit N`,
/// then `end HASH` with the hash of everything before. One that is torn or of another method counts as none, so the worst
/// that can happen to it is that everything is overwritten again. What it says is done is read back in any case.
struct ZapCheckpoint: Sendable, Hashable {
    static let bytes = 4096
    private static let magic = "nacre-disk zap got so far\n"

    /// The method's name, with its passes.
    let method: String
    /// Passes that are done.
    let passes: Int
    /// Units of the next pass that are done.
    let units: Int

    init(method: String, passes: Int = 0, units: Int = 0) {
        (self.method, self.passes, self.units) = (method, passes, units)
    }

    /// Its place in that of the marker.
    static func place(in marker: ByteExtent) -> ByteExtent {
        ByteExtent(offset: marker.end - UInt64(bytes), length: UInt64(bytes))
    }

    /// The block to write.
    var block: [UInt8] {
        let text = Self.magic + "method \(method)\npass \(passes)\nunit \(units)\n"
        let bytes = Array((text + "end \(SHA256.hexadecimal(text))\n").utf8)
        return bytes + [UInt8](repeating: 0, count: Self.bytes - bytes.count)
    }

    /// Reads the block; `nil` unless it is whole.
    init?(block: [UInt8]) {
        let text = String(decoding: block.prefix { $0 != 0 }, as: UTF8.self)
        let lines = text.parts(at: "\n")
        guard text.startsExactly(with: Self.magic), lines.count == 6, let method = lines[1].behind("method "),
            let passes = lines[2].behind("pass ").flatMap({ Int($0) }),
            let units = lines[3].behind("unit ").flatMap({ Int($0) })
        else { return nil }
        self.init(method: method, passes: passes, units: units)
        guard self.block == block else { return nil }
    }
}
