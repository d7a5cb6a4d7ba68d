/// A fault of a partition table.
public struct TableProblem: Sendable, Hashable {
    /// Which part: `primary header`, `partition 3`.
    public let part: String
    /// What is wrong.
    public let text: String
}

extension GPT {
    /// All faults of the table that `sgdisk -v` checks for.
    ///
    /// - Parameter mbr: The device's first sector.
    /// - Returns: Nothing when the table is whole.
    public func problems(mbr: MBR?) -> [TableProblem] {
        var found: [TableProblem] = []
        for (name, copy) in [("primary", primary), ("backup", backup)] {
            found += copy.headerProblems.map { TableProblem(part: "\(name) header", text: $0) }
            found += copy.entriesProblems.map { TableProblem(part: "\(name) entries", text: $0) }
        }
        if let stray {
            found.append(TableProblem(part: "old backup", text: "it stands at block \(stray.lba), not at the end"))
        }
        if primary.isValid, backup.isValid, primary.entries != backup.entries {
            found.append(TableProblem(part: "backup entries", text: "they are not those of the primary"))
        }
        if isContradictory, let other = backup.header {
            let text = "it is another table's than the primary (disk GUID \(other.diskGUID))"
            found.append(TableProblem(part: "backup header", text: text))
        }
        if let mbr, !mbr.isProtective {
            found.append(TableProblem(part: "protective MBR", text: "it protects nothing"))
        }
        if mbr == nil { found.append(TableProblem(part: "protective MBR", text: "there is none")) }
        return found + overlaps()
    }

    private func overlaps() -> [TableProblem] {
        var found: [TableProblem] = []
        let usable = (current ?? primary).header.map { $0.firstUsableLBA...max($0.firstUsableLBA, $0.lastUsableLBA) }
        let ordered = partitions.sorted { $0.entry.firstLBA < $1.entry.firstLBA }
        for (number, entry) in ordered {
            let part = "partition \(number)"
            if entry.firstLBA > entry.lastLBA {
                found.append(TableProblem(part: part, text: "it ends before it begins"))
            }
            if let usable, !usable.contains(entry.firstLBA) || !usable.contains(entry.lastLBA) {
                found.append(TableProblem(part: part, text: "it is not within blocks \(usable)"))
            }
            if entry.firstLBA % max(1, 1 << 20 / sectorBytes) != 0 {
                found.append(TableProblem(part: part, text: "it does not begin at a whole MiB"))
            }
        }
        for (left, right) in zip(ordered, ordered.dropFirst()) where right.entry.firstLBA <= left.entry.lastLBA {
            found.append(TableProblem(part: "partition \(right.number)", text: "it overlaps partition \(left.number)"))
        }
        return found
    }
}
