/// A GUID partition table that is to be written: entries of the standard kind, and where everything goes.
public struct GPTLayout: Sendable, Hashable {
    /// How many entries a table has.
    public static let entryCount = 128
    private static let entriesBytes = entryCount * GPTEntry.bytes

    /// The unit of addresses, in bytes.
    public let sectorBytes: UInt64
    /// How many of them the device has.
    public let blocks: UInt64
    /// Who the disk is.
    public var diskGUID: GUID
    /// Partitions by number, from 1.
    public private(set) var entries: [Int: GPTEntry]
    /// The first block that partitions may use.
    public private(set) var firstUsableLBA: UInt64
    /// What is to stand before the partitions of the MBR; `nil` to keep what is there.
    private var bootCode: [UInt8]?
    /// Where an old backup stands that was the last of a smaller disk, and no partition does.
    public private(set) var obsolete: [ByteExtent] = []

    /// An empty table.
    ///
    /// - Parameters:
    ///   - sizeBytes: The size of the device.
    ///   - sectorBytes: The unit of addresses.
    ///   - diskGUID: Who the disk is.
    /// - Throws: ``GPTLayoutError`` when the device is too small.
    public init(sizeBytes: UInt64, sectorBytes: UInt64, diskGUID: GUID) throws(GPTLayoutError) {
        self.sectorBytes = sectorBytes
        blocks = sizeBytes / sectorBytes
        self.diskGUID = diskGUID
        entries = [:]
        firstUsableLBA = 2 + Self.tableBlocks(sectorBytes)
        // Two tables, their headers, the protective MBR and one block of use.
        guard blocks > 2 * Self.tableBlocks(sectorBytes) + 3 else {
            throw GPTLayoutError("a device of \(humanSize(sizeBytes)) has no room for a partition table")
        }
    }

    /// The table that is there, from its valid copy, or from a whole one that was made for a larger disk.
    ///
    /// Boot code, the disk's signature and the first block for partitions stay as they are. A partition that cannot stay
    /// where it is is no error yet: the change may be to take it out; see ``check()``.
    ///
    /// - Parameters:
    ///   - gpt: What was found.
    ///   - sizeBytes: The size of the device.
    ///   - side: The copy that was chosen.
    /// - Throws: ``GPTLayoutError`` when no copy is whole, or two whole ones are of different tables and none was chosen.
    public init(_ gpt: GPT, sizeBytes: UInt64, from side: GPT.Side? = nil) throws(GPTLayoutError) {
        guard let copy = gpt.restorable(from: side), let header = copy.header else {
            if let side { throw GPTLayoutError("the \(side.rawValue) copy of its table is not whole") }
            throw GPTLayoutError(
                gpt.isContradictory ? "its two copies are of different tables" : "no copy of its table is whole"
            )
        }
        try self.init(sizeBytes: sizeBytes, sectorBytes: gpt.sectorBytes, diskGUID: header.diskGUID)
        entries = Dictionary(copy.entries.map { ($0.key + 1, $0.value) }, uniquingKeysWith: { first, _ in first })
        bootCode = gpt.bootCode
        let first = entries.values.map(\.firstLBA).min() ?? lastUsableLBA
        firstUsableLBA = max(firstUsableLBA, min(header.firstUsableLBA, first))
        if let stray = gpt.stray, stray.isValid {
            let ours = ByteExtent(offset: (lastUsableLBA + 1) * sectorBytes, length: (tableBlocks + 1) * sectorBytes)
            let parts = entries.values.compactMap(gpt.extent)
            // What a partition has grown over is the partition's.
            obsolete = gpt.extents(of: stray).filter { old in
                old.offset >= firstUsableLBA * sectorBytes
                    && !(parts + [ours]).contains { $0.intersection(old) != nil }
            }
        }
    }

    /// Looks whether the table can be written to its disk.
    ///
    /// - Throws: ``GPTLayoutError`` when a partition is not on the disk, or is where the table has to be.
    public func check() throws(GPTLayoutError) {
        let wrong = entries.sorted { $0.key < $1.key }.compactMap(misfit)
        guard wrong.isEmpty else { throw GPTLayoutError(wrong.joined(separator: "; ")) }
    }

    /// Keeps the boot code of a first sector, if it has any and the table brings none.
    ///
    /// - Parameter sector: The first sector of the disk that the table is written to.
    public mutating func keepBootCode(of sector: [UInt8]) {
        guard bootCode == nil else { return }
        bootCode = GPT.bootCode(of: sector)
    }

    /// Why a partition cannot stay where it is.
    private func misfit(_ number: Int, _ entry: GPTEntry) -> String? {
        if number > Self.entryCount {
            return "there is a partition \(number), and tables of \(Self.entryCount) are written"
        }
        if entry.firstLBA > entry.lastLBA { return "partition \(number) ends before it begins" }
        if entry.firstLBA < firstUsableLBA {
            return
                "partition \(number) begins at block \(entry.firstLBA), and the table goes to block \(firstUsableLBA - 1)"
        }
        guard entry.lastLBA > lastUsableLBA else { return nil }
        let (end, room) = (humanSize((entry.lastLBA &+ 1) &* sectorBytes), humanSize((lastUsableLBA + 1) * sectorBytes))
        return
            "partition \(number) ends at \(end) (block \(entry.lastLBA)), and this disk has room for partitions up to "
            + "\(room) (block \(lastUsableLBA))"
    }

    private static func tableBlocks(_ sectorBytes: UInt64) -> UInt64 {
        (UInt64(entriesBytes) + sectorBytes - 1) / sectorBytes
    }

    /// How many bytes a header and its entries take.
    static func copyBytes(_ sectorBytes: UInt64) -> UInt64 { (1 + tableBlocks(sectorBytes)) * sectorBytes }

    private var tableBlocks: UInt64 { Self.tableBlocks(sectorBytes) }
    /// The last block that partitions may use.
    public var lastUsableLBA: UInt64 { blocks - 2 - tableBlocks }
    /// Where partitions begin: at whole MiB.
    public var alignment: UInt64 { max(1, (1 << 20) / sectorBytes) }

    /// Runs of free blocks, in order.
    public var freeRuns: [ClosedRange<UInt64>] {
        var runs: [ClosedRange<UInt64>] = []
        var next = firstUsableLBA
        for entry in entries.values.sorted(by: { $0.firstLBA < $1.firstLBA }) {
            let end = min(entry.firstLBA, lastUsableLBA + 1)
            if end > next { runs.append(next...(end - 1)) }
            next = max(next, entry.lastLBA.addingReportingOverflow(1).partialValue)
        }
        if next <= lastUsableLBA { runs.append(next...lastUsableLBA) }
        return runs
    }

    /// Adds a partition.
    ///
    /// - Parameters:
    ///   - number: Its number; `nil` for the first that is free.
    ///   - entry: The partition.
    /// - Returns: Its number.
    /// - Throws: ``GPTLayoutError`` when the number or the place is taken, or is not on the disk.
    @discardableResult
    public mutating func add(_ number: Int?, _ entry: GPTEntry) throws(GPTLayoutError) -> Int {
        guard let number = number ?? (1...Self.entryCount).first(where: { entries[$0] == nil }) else {
            throw GPTLayoutError("all \(Self.entryCount) entries of the table are used")
        }
        guard (1...Self.entryCount).contains(number), entries[number] == nil else {
            throw GPTLayoutError(
                entries[number] == nil
                    ? "partitions have numbers from 1 to \(Self.entryCount), not \(number)"
                    : "there is a partition \(number) already"
            )
        }
        guard entry.firstLBA <= entry.lastLBA,
            freeRuns.contains(where: { $0.contains(entry.firstLBA) && $0.contains(entry.lastLBA) })
        else {
            throw GPTLayoutError("partition \(number) does not fit: \(obstacle(to: entry))")
        }
        entries[number] = entry
        return number
    }

    /// Changes a partition that is there.
    public mutating func change(_ number: Int, _ change: (inout GPTEntry) -> Void) throws(GPTLayoutError) {
        guard var entry = entries[number] else { throw GPTLayoutError("there is no partition \(number)") }
        change(&entry)
        entries[number] = entry
    }

    /// Takes a partition out; its content stays.
    public mutating func remove(_ number: Int) throws(GPTLayoutError) {
        guard entries.removeValue(forKey: number) != nil else {
            throw GPTLayoutError("there is no partition \(number)")
        }
    }

    /// What to write, in the order that leaves one whole copy at any time: the backup, then, when that is on the medium,
    /// zeros over an old one, and the primary with the MBR.
    ///
    /// ``check()`` has to have passed. Each is one write, entries and header together: a program that is killed between two has changed a copy or has not.
    public var writes: [(offset: UInt64, bytes: [UInt8])] {
        let last = blocks - 1
        let backup = encodedEntries + header(at: last, other: 1, entries: last - tableBlocks)
        let old = obsolete.map { ($0.offset, [UInt8](repeating: 0, count: Int($0.length))) }
        return [((last - tableBlocks) * sectorBytes, backup)] + old
            + [(0, protectiveMBR + primaryHeader + encodedEntries)]
    }

    /// Where ``writes`` go.
    public var places: [ByteExtent] {
        let copy = Self.copyBytes(sectorBytes)
        let head = ByteExtent(offset: 0, length: sectorBytes + copy)
        return [head] + obsolete + [ByteExtent(offset: blocks * sectorBytes - copy, length: copy)]
    }

    private var protectiveMBR: [UInt8] {
        let record = MBR.protective(blocks: blocks, sectorBytes: Int(sectorBytes))
        let kept = bootCode ?? []
        return kept + record.dropFirst(kept.count)
    }
    private var primaryHeader: [UInt8] { header(at: 1, other: blocks - 1, entries: 2) }

    private func header(at lba: UInt64, other: UInt64, entries: UInt64) -> [UInt8] {
        var header = GPTHeader(
            myLBA: lba,
            alternateLBA: other,
            firstUsableLBA: firstUsableLBA,
            lastUsableLBA: lastUsableLBA,
            diskGUID: diskGUID,
            entriesLBA: entries
        )
        header.entriesCRC = CRC32.zlib(encodedEntries.prefix(Self.entriesBytes))
        return header.sector(Int(sectorBytes))
    }

    private var encodedEntries: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(tableBlocks * sectorBytes))
        for (number, entry) in entries where number <= Self.entryCount {
            let start = (number - 1) * GPTEntry.bytes
            bytes.replaceSubrange(start..<(start + GPTEntry.bytes), with: entry.encoded)
        }
        return bytes
    }

    /// As `sgdisk -b` saves it: MBR, both headers, entries; sectors of 512 bytes each.
    ///
    /// - Throws: ``GPTLayoutError`` when there are more entries than such a file has.
    public func backup() throws(GPTLayoutError) -> [UInt8] {
        if let number = entries.keys.max(), number > Self.entryCount {
            throw GPTLayoutError("there is a partition \(number), and tables of \(Self.entryCount) are saved")
        }
        let second = header(at: blocks - 1, other: 1, entries: blocks - 1 - tableBlocks)
        return Array(protectiveMBR.prefix(512) + primaryHeader.prefix(512) + second.prefix(512))
            + encodedEntries.prefix(Self.entriesBytes)
    }

    /// Reads what `sgdisk -b` or ``backup()`` saved, with the boot code if there is an MBR, for a device of this size.
    ///
    /// - Parameters:
    ///   - backup: The file.
    ///   - sizeBytes: The size of the device.
    ///   - sectorBytes: The unit of its addresses.
    /// - Throws: ``GPTLayoutError`` when it is no such file, is damaged, or does not fit.
    public init(backup: [UInt8], sizeBytes: UInt64, sectorBytes: UInt64) throws(GPTLayoutError) {
        guard let sector = backup.slice(512, 512).map(Array.init), let header = GPTHeader(sector: sector),
            GPTHeader.crc(ofSector: sector, headerBytes: header.headerBytes) == header.headerCRC
        else { throw GPTLayoutError("the file is no backup of a partition table, or its header is damaged") }
        guard Int(header.entryCount) == Self.entryCount, Int(header.entryBytes) == GPTEntry.bytes,
            let table = backup.slice(1536, Self.entriesBytes), CRC32.zlib(table) == header.entriesCRC
        else { throw GPTLayoutError("the entries in the backup are damaged") }
        try self.init(sizeBytes: sizeBytes, sectorBytes: sectorBytes, diskGUID: header.diskGUID)
        let saved = GPT.bootCode(of: Array(backup.prefix(512)))
        bootCode = saved.isEmpty ? nil : saved
        for index in 0..<Self.entryCount {
            let start = table.startIndex + index * GPTEntry.bytes
            if let entry = GPTEntry(table[start..<(start + GPTEntry.bytes)]) { try add(index + 1, entry) }
        }
    }
}

/// A change to a partition table that cannot be.
public struct GPTLayoutError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What cannot be, and why.
    public let description: String

    /// A change that cannot be, and why.
    public init(_ description: String) { self.description = description }
}
