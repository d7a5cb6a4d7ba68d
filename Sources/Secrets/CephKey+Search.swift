extension CephKey {
    /// What stands where a key was.
    package static let mask = "<redacted>"

    /// Whether a text that should be something else has a key in it, or most of one: such a text must not be shown.
    package static func isIn(_ text: String) -> Bool { !KeySearch.ranges(in: Array(text.utf8)).isEmpty }

    /// The text with a mask in place of each key in it, for whatever people or logs get to see.
    package static func masked(_ text: String) -> String {
        guard text.utf8.count >= KeySearch.leastTelling else { return text }
        let bytes = Array(text.utf8)
        let ranges = KeySearch.ranges(in: bytes)
        guard !ranges.isEmpty else { return text }
        var shown: [UInt8] = []
        var index = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) where range.upperBound > index {
            if range.lowerBound >= index { shown += bytes[index..<range.lowerBound] + Array(mask.utf8) }
            index = range.upperBound
        }
        return String(decoding: shown + bytes[index...], as: UTF8.self)
    }
}

/// Finds keys within a text, by decoding what is there.
///
/// A key is found wrapped and indented, without its padding, cut off behind its head, behind a word that it was glued to,
/// escaped as in JSON or in an address, in the alphabet for addresses, which Ceph takes too, and encoded once or twice more, as Kubernetes' own data are.
struct KeySearch {
    /// The head of a key, which is no secret, takes 16 characters.
    static let leastTelling = 20
    /// So many characters that begin as a key does and end in padding are one, though a typing error broke its head.
    private static let leastPadded = 24

    private enum Token {
        case character(UInt8)
        case padding
        /// What may be inside of a key that was wrapped, or whose lines a message made one.
        case gap
        case other
    }

    private let bytes: [UInt8]
    private let depth: Int
    /// Whether `-` and `_` may be a key's characters; else they end it, as in most texts.
    private let readsAddresses: Bool
    private var values: [UInt8] = []
    private var places: [Range<Int>] = []
    private var endOfPadding: Int?
    private var found: [Range<Int>] = []

    private init(_ bytes: [UInt8], depth: Int, readsAddresses: Bool) {
        self.bytes = bytes
        self.depth = depth
        self.readsAddresses = readsAddresses
    }

    /// Where the keys are, their padding among them; some may overlap.
    static func ranges(in bytes: [UInt8]) -> [Range<Int>] { ranges(in: bytes, depth: 2) }

    private static func ranges(in bytes: [UInt8], depth: Int) -> [Range<Int>] {
        let plain = ranges(in: bytes, depth: depth, readsAddresses: false)
        guard bytes.contains(where: { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }) else { return plain }
        return plain + ranges(in: bytes, depth: depth, readsAddresses: true)
    }

    private static func ranges(in bytes: [UInt8], depth: Int, readsAddresses: Bool) -> [Range<Int>] {
        var search = KeySearch(bytes, depth: depth, readsAddresses: readsAddresses)
        var index = 0
        while index < bytes.count {
            let (token, length) = search.token(at: index)
            let place = index..<(index + length)
            switch token {
            case .character(let value):
                if search.endOfPadding != nil { search.endRun() }
                search.values.append(value)
                search.places.append(place)
            case .padding where !search.values.isEmpty: search.endOfPadding = place.upperBound
            case .gap: break
            case .padding, .other: search.endRun()
            }
            index = place.upperBound
        }
        search.endRun()
        return search.found
    }

    private func token(at index: Int) -> (Token, length: Int) {
        let byte = bytes[index]
        let value = readsAddresses ? CephKey.sixBitsForCeph(byte) : CephKey.sixBits(byte)
        if let value { return (.character(UInt8(value)), 1) }
        switch byte {
        case UInt8(ascii: "="): return (.padding, 1)
        case _ where CephKey.isSpace(byte): return (.gap, 1)
        case UInt8(ascii: "\\"):
            let isControl = index + 1 < bytes.count && "nrt".utf8.contains(bytes[index + 1])
            return (.gap, isControl ? 2 : 1)
        case UInt8(ascii: "%"):
            switch String(decoding: bytes[index...].prefix(3), as: UTF8.self).uppercased() {
            case "%2B": return (.character(62), 3)
            case "%2F": return (.character(63), 3)
            case "%3D": return (.padding, 3)
            case "%20", "%0A", "%0D", "%09": return (.gap, 3)
            default: return (.other, 1)
            }
        // U+FFFD, which stands for a control character in messages.
        case 0xEF where bytes[index...].starts(with: [0xEF, 0xBF, 0xBD]): return (.gap, 3)
        default: return (.other, 1)
        }
    }

    private mutating func endRun() {
        defer {
            values.removeAll(keepingCapacity: true)
            places.removeAll(keepingCapacity: true)
            endOfPadding = nil
        }
        var index = 0
        while values.count - index >= Self.leastTelling {
            let count = charactersOfKey(at: index)
            if count > 0 { found.append(text(of: index..<(index + count))) }
            index += max(1, count)
        }
        guard depth > 0, values.count >= Self.leastTelling * 4 / 3 else { return }
        for shift in 0..<4 {
            for range in Self.ranges(in: decoded(values[shift...]), depth: depth - 1) {
                let end = min(values.count, shift + (range.upperBound * 4 + 2) / 3)
                found.append(text(of: (shift + range.lowerBound * 4 / 3)..<end))
            }
        }
    }

    /// How many characters from `index` on are a key's; none when no key begins there.
    private func charactersOfKey(at index: Int) -> Int {
        // Most places are none, and these three characters tell.
        guard values[index] == 0, values[index + 1] == 16 || values[index + 1] == 32, values[index + 2] < 4 else {
            return 0
        }
        let left = values.count - index
        if let kind = CephKey.kind(ofHead: decoded(values[index..<(index + 16)])) { return min(left, kind.characters) }
        let isWhole = places[index].lowerBound + left == places[values.count - 1].upperBound
        return endOfPadding != nil && isWhole && left >= Self.leastPadded ? left : 0
    }

    private func text(of characters: Range<Int>) -> Range<Int> {
        let end = places[characters.upperBound - 1].upperBound
        return places[characters.lowerBound]
            .lowerBound..<(characters.upperBound == values.count ? endOfPadding ?? end : end)
    }

    private func decoded(_ values: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count * 3 / 4)
        var bits: UInt32 = 0
        var held = 0
        for value in values {
            bits = bits << 6 | UInt32(value)
            held += 6
            guard held >= 8 else { continue }
            held -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
        }
        return bytes
    }
}
