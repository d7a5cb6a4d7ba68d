internal import ExactText

/// Where a partition begins or ends, in sgdisk's syntax: `0`, `2048`, `10G`, `+10M`, `-1G`.
public enum GPTPlace: Sendable, Hashable {
    /// Where there is room, or to the end of it.
    case standard
    /// A block.
    case block(UInt64)
    /// So many bytes from the beginning of the device.
    case bytes(UInt64)
    /// So many bytes from the standard beginning.
    case after(UInt64)
    /// So many bytes before the end of the free run.
    case before(UInt64)

    /// Reads a place; `nil` if it is none.
    public init?(_ text: String) {
        if text == "0" {
            self = .standard
        } else if let first = text.first, first == "+" || first == "-" {
            guard let bytes = Self.bytes(text.dropFirst(), plainUnit: nil) else { return nil }
            self = first == "+" ? .after(bytes) : .before(bytes)
        } else if let block = UInt64(text) {
            self = .block(block)
        } else {
            guard let bytes = Self.bytes(text[...], plainUnit: nil) else { return nil }
            self = .bytes(bytes)
        }
    }

    /// `10G` in bytes; a unit must be there.
    private static func bytes(_ text: Substring, plainUnit: UInt64?) -> UInt64? {
        let units: [Character: UInt64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50]
        var digits = text
        for suffix in ["iB", "B", "ib", "b"] where digits.endsExactly(with: suffix) {
            digits = digits.dropLast(suffix.count)
            break
        }
        guard let unit = digits.last.flatMap({ units[Character($0.uppercased())] }),
            let number = UInt64(digits.dropLast())
        else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow ? nil : bytes
    }
}

extension GPTLayout {
    /// The blocks of a partition with this start and end; the start is aligned to a whole MiB.
    ///
    /// - Parameters:
    ///   - start: Where it begins; by default at the largest free run.
    ///   - end: Where it ends; by default at the end of that run.
    /// - Returns: First and last block.
    /// - Throws: ``GPTLayoutError`` when there is no room.
    public func blocks(from start: GPTPlace, to end: GPTPlace) throws(GPTLayoutError) -> ClosedRange<UInt64> {
        guard let largest = freeRuns.max(by: { (usable($0), $0.count) < (usable($1), $1.count) }) else {
            throw GPTLayoutError("there is no room: the partitions take all of \(humanSize(blocks * sectorBytes))")
        }
        if case .standard = start, usable(largest) == 0 {
            throw GPTLayoutError(
                "there is no room: the partitions leave no more than \(humanSize(UInt64(largest.count) * sectorBytes)) in "
                    + "one piece, and a partition begins at a whole MiB"
            )
        }
        let first: UInt64 =
            switch start {
            case .standard: largest.lowerBound
            case .block(let block): block
            case .bytes(let bytes): bytes / sectorBytes
            case .after(let bytes): largest.lowerBound.addingReportingOverflow(bytes / sectorBytes).partialValue
            case .before(let bytes): largest.upperBound &+ 1 &- bytes / sectorBytes
            }
        let (sum, overflow) = first.addingReportingOverflow(alignment - 1)
        let aligned = sum / alignment * alignment
        guard !overflow, let run = freeRuns.first(where: { $0.contains(aligned) }) else {
            let place = "\(humanSize(first.multipliedReportingOverflow(by: sectorBytes).partialValue)) (block \(first))"
            throw GPTLayoutError("a partition cannot begin at \(place): \(occupant(of: overflow ? first : aligned))")
        }
        let last: UInt64 =
            switch end {
            case .standard: run.upperBound
            case .block(let block): block
            case .bytes(let bytes): bytes / sectorBytes
            case .after(let bytes): aligned &+ max(1, bytes / sectorBytes) &- 1
            case .before(let bytes): run.upperBound &- bytes / sectorBytes
            }
        guard last >= aligned, run.contains(last) else {
            guard last >= aligned else {
                throw GPTLayoutError("a partition cannot end at block \(last): it begins at block \(aligned)")
            }
            // `aligned` is after the table, so the sum cannot overflow.
            let wanted = (last - aligned + 1).multipliedReportingOverflow(by: sectorBytes)
            let size = wanted.overflow ? "so many bytes" : humanSize(wanted.partialValue)
            throw GPTLayoutError(
                "a partition of \(size) does not fit: from \(humanSize(aligned * sectorBytes)) on "
                    + "\(humanSize((run.upperBound - aligned + 1) * sectorBytes)) are free, then "
                    + "\(occupant(of: run.upperBound + 1))"
            )
        }
        return aligned...last
    }

    /// How many of free blocks a partition that is aligned can have.
    private func usable(_ run: ClosedRange<UInt64>) -> UInt64 {
        let first = (run.lowerBound + alignment - 1) / alignment * alignment
        return run.contains(first) ? run.upperBound - first + 1 : 0
    }

    /// What is at a block that is not free, in words.
    func occupant(of block: UInt64) -> String {
        if let (number, _) = entries.first(where: { $0.value.firstLBA <= block && block <= $0.value.lastLBA }) {
            return "partition \(number) is there"
        }
        return block < blocks ? "the partition table is there" : "the disk ends at \(humanSize(blocks * sectorBytes))"
    }

    /// Why a partition cannot be at its place, in words: its first block that is not free.
    func obstacle(to entry: GPTEntry) -> String {
        let ends = "blocks \(entry.firstLBA) to \(entry.lastLBA)"
        guard entry.firstLBA <= entry.lastLBA else { return "it would begin behind its end (\(ends))" }
        let run = freeRuns.first { $0.contains(entry.firstLBA) }
        let block = run.map { $0.upperBound + 1 } ?? entry.firstLBA
        return "at block \(block) of its \(ends), \(occupant(of: block))"
    }
}
