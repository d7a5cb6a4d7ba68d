internal import BlockDevices
internal import ExactText

extension ZapMarkerRecord {
    /// Reads the block; `nil` unless it is whole and was written for a device of this size.
    public init?(block: [UInt8], sizeBytes: UInt64) {
        let text = String(decoding: block.prefix { $0 != 0 }, as: UTF8.self)
        guard text.startsExactly(with: ZapMarker.magic), let end = text.firstRange(of: "\nend ") else { return nil }
        let covered = String(text[...end.lowerBound])
        guard text[end.upperBound...].prefix(64) == SHA256.hexadecimal(covered) else { return nil }
        var ranges: [ByteExtent] = []
        var facts: [String: [String]] = [:]
        var sums: [UInt64: UInt32] = [:]
        for line in covered.dropFirst(ZapMarker.magic.count).parts(at: "\n", omittingEmpty: true) {
            let words = line.parts(at: " ", omittingEmpty: true)
            guard words.count == 2 else { return nil }
            let (fact, value) = (String(words[0]), String(words[1]))
            switch fact {
            case "size": guard UInt64(value) == sizeBytes else { return nil }
            case "cluster", "part", "noise", "disk": facts[fact, default: []].append(value)
            case "was":
                guard let run = BlockSums.run(value) else { return nil }
                sums.merge(run) { first, _ in first }
            case "range":
                let numbers = value.parts(at: "+", omittingEmpty: true).compactMap { UInt64($0) }
                guard numbers.count == 2, numbers[0] < sizeBytes, numbers[1] <= sizeBytes - numbers[0] else {
                    return nil
                }
                ranges.append(ByteExtent(offset: numbers[0], length: numbers[1]))
            default: return nil
            }
        }
        let noise = facts["noise"] ?? []
        self.init(
            sizeBytes: sizeBytes,
            ranges: ranges,
            clusters: facts["cluster"] ?? [],
            parts: facts["part"] ?? [],
            hasNoise: noise.containsExactly("first"),
            isShredded: noise.containsExactly("any"),
            disk: facts["disk"]?.first,
            sums: BlockSums(sums: sums)
        )
    }
}

extension BlockSums {
    private static let digits = 8

    /// For a marker, a word for each run of blocks: `1048576:0a1b2c3d4e5f6071`.
    var runs: [String] {
        var runs: [(start: UInt64, end: UInt64, text: String)] = []
        for (offset, sum) in sums.sorted(by: { $0.key < $1.key }) {
            let text = String(sum, radix: 16)
            let word = String(repeating: "0", count: Self.digits - text.count) + text
            if let last = runs.last, last.end == offset {
                runs[runs.count - 1] = (last.start, offset + Self.blockBytes, last.text + word)
            } else {
                runs.append((offset, offset + Self.blockBytes, word))
            }
        }
        return runs.map { "\($0.start):\($0.text)" }
    }

    /// Reads one of ``runs``.
    static func run(_ word: String) -> [UInt64: UInt32]? {
        let parts = word.parts(at: ":")
        guard parts.count == 2, let start = UInt64(parts[0]) else { return nil }
        let text = Array(parts[1].utf8)
        guard text.count % digits == 0, start <= .max - UInt64(text.count / digits) * blockBytes else { return nil }
        var found: [UInt64: UInt32] = [:]
        for (index, place) in stride(from: 0, to: text.count, by: digits).enumerated() {
            guard let sum = UInt32(String(decoding: text[place..<(place + digits)], as: UTF8.self), radix: 16) else {
                return nil
            }
            found[start + UInt64(index) * blockBytes] = sum
        }
        return found
    }
}
