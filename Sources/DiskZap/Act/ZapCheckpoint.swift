internal import BlockDevices
internal import ExactText

/// How far the overwriting of a whole device got, so that the zap after a kill goes on there and not at the beginning.
///
/// It stands in the last block of the marker's place: text with one fact in each line, `method NAME`, `pass N`, `unit N`,
/// `bytes N` for the size of a unit, then `end HASH` with the hash of everything before. One that is torn or of another
/// method counts as none, so the worst that can happen to it is that everything is overwritten again. The hash keeps out
/// what is torn and not what is forged: the numbers are foreign, see ``isPossible(fills:units:)``. What it says is done is
/// read back in any case.
struct ZapCheckpoint: Sendable, Hashable {
    static let bytes = 4096
    private static let magic = "nacre-disk zap got so far\n"

    /// The method's name, with its passes.
    let method: String
    /// Passes that are done.
    let passes: Int
    /// Units of the next pass that are done.
    let units: Int
    /// The size of a unit, in bytes.
    let unitBytes: UInt64

    init(method: String, passes: Int = 0, units: Int = 0, unitBytes: UInt64 = Eraser.unitBytes) {
        (self.method, self.passes, self.units, self.unitBytes) = (method, passes, units, unitBytes)
    }

    /// Its place in that of the marker.
    static func place(in marker: ByteExtent) -> ByteExtent {
        ByteExtent(offset: marker.end - UInt64(bytes), length: UInt64(bytes))
    }

    /// The block to write.
    var block: [UInt8] {
        let text = Self.magic + "method \(method)\npass \(passes)\nunit \(units)\nbytes \(unitBytes)\n"
        let bytes = Array((text + "end \(SHA256.hexadecimal(text))\n").utf8)
        return bytes + [UInt8](repeating: 0, count: Self.bytes - bytes.count)
    }

    /// Reads the block; `nil` unless it is whole.
    init?(block: [UInt8]) {
        let written = block.prefix { $0 != 0 }
        guard block.count == Self.bytes, block.dropFirst(written.count).allSatisfy({ $0 == 0 }),
            let text = String(validating: written, as: UTF8.self), text.startsExactly(with: Self.magic),
            let end = text.firstRange(of: "\nend ")
        else { return nil }
        let covered = String(text[..<end.lowerBound]) + "\n"
        guard Array((covered + "end \(SHA256.hexadecimal(covered))\n").utf8) == Array(written) else { return nil }
        let lines = covered.parts(at: "\n")
        guard lines.count == 6, let method = lines[1].behind("method "),
            let passes = lines[2].behind("pass ").flatMap({ UInt32($0) }),
            let units = lines[3].behind("unit ").flatMap({ UInt32($0) }),
            let unitBytes = lines[4].behind("bytes ").flatMap({ UInt64($0) })
        else { return nil }
        self.init(method: String(method), passes: Int(passes), units: Int(units), unitBytes: unitBytes)
    }

    /// Whether an erasure with so many fills of so many units can have got there.
    func isPossible(fills: Int, units count: Int) -> Bool {
        unitBytes == Eraser.unitBytes && (passes < fills ? units < count : passes == fills && units == 0)
    }
}
