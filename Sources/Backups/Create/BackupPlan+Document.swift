internal import JSON

extension BackupPlan {
    /// The document, with its checksum.
    var bytes: [UInt8] {
        func number(_ value: UInt64) -> JSONValue { .number(JSONNumber(value)) }
        func flat(_ ranges: [Range<UInt64>]) -> JSONValue {
            .array(ranges.flatMap { [number($0.lowerBound), number(UInt64($0.count))] })
        }
        var members: [(String, JSONValue)] = [
            ("backup", .string(backup)), ("imageID", .string(imageID)), ("snapshotID", number(snapshotID)),
            ("sizeBytes", number(sizeBytes)), ("created", .string(created)),
        ]
        if let parent { members.append(("parent", .string(parent))) }
        if let reason { members.append(("reason", .string(reason))) }
        members += [("extents", flat(extents)), ("holes", flat(holes))]
        return SignedDocument.bytes(members)
    }

    /// Reads a plan, and checks it.
    init(parsing bytes: [UInt8]) throws(Damage) {
        let fields = try SignedDocument.fields(bytes)
        let size = try fields.number("sizeBytes")
        self.init(
            backup: try fields.text("backup"),
            imageID: try fields.text("imageID"),
            snapshotID: try fields.number("snapshotID"),
            sizeBytes: size,
            created: try fields.text("created"),
            parent: fields.optional("parent"),
            reason: fields.optional("reason"),
            extents: try Self.ranges(fields.numbers("extents"), size),
            holes: try Self.ranges(fields.numbers("holes"), size)
        )
    }

    private static func ranges(_ numbers: [UInt64], _ size: UInt64) throws(Damage) -> [Range<UInt64>] {
        guard numbers.count % 2 == 0 else { throw Damage("a range of it lacks its length") }
        var ranges: [Range<UInt64>] = []
        for index in stride(from: 0, to: numbers.count, by: 2) {
            let (start, length) = (numbers[index], numbers[index + 1])
            guard start <= size, length <= size - start, length > 0, start >= ranges.last?.upperBound ?? 0 else {
                throw Damage("a range of it lies where none can")
            }
            ranges.append(start..<start + length)
        }
        return ranges
    }
}

/// What was stored of one pack of a plan.
struct StoredPack: Sendable, Equatable {
    /// The chunk, and where in it which part of the image lies; nothing if all was zeroes.
    var pieces: [BlockMap.Piece]
    /// Bytes that were read.
    var readBytes: UInt64
    /// Bytes of the chunk's object, if this backup added it.
    var addedBytes: UInt64
    /// Whether a later run of the backup has found the chunk whole.
    var isChecked = false

    /// The document, with its checksum.
    var bytes: [UInt8] {
        func number(_ value: some BinaryInteger & Sendable) -> JSONValue { .number(JSONNumber(value)) }
        var members: [(String, JSONValue)] = [("readBytes", number(readBytes)), ("addedBytes", number(addedBytes))]
        if let chunk = pieces.first?.chunk {
            members += [
                ("chunk", .string("\(chunk.digest)")), ("contentBytes", number(chunk.contentBytes)),
                ("storedBytes", number(chunk.storedBytes)),
            ]
        }
        if isChecked { members.append(("checked", number(1))) }
        let numbers = pieces.flatMap { [number($0.offset), number($0.length), number($0.position)] }
        members.append(("pieces", .array(numbers)))
        return SignedDocument.bytes(members)
    }

    init(pieces: [BlockMap.Piece], readBytes: UInt64, addedBytes: UInt64) {
        self.pieces = pieces
        self.readBytes = readBytes
        self.addedBytes = addedBytes
    }

    /// Reads what was stored, and checks it.
    init(parsing bytes: [UInt8]) throws(Damage) {
        let fields = try SignedDocument.fields(bytes)
        readBytes = try fields.number("readBytes")
        addedBytes = try fields.number("addedBytes")
        isChecked = (try? fields.number("checked")) == 1
        pieces = []
        let numbers = try fields.numbers("pieces")
        guard !numbers.isEmpty else { return }
        guard numbers.count % 3 == 0, let digest = Digest(parsing: try fields.text("chunk")),
            let content = UInt32(exactly: try fields.number("contentBytes")),
            let stored = UInt32(exactly: try fields.number("storedBytes"))
        else { throw Damage("it names no chunk") }
        let chunk = BlockMap.ChunkRecord(digest: digest, contentBytes: content, storedBytes: stored)
        for index in stride(from: 0, to: numbers.count, by: 3) {
            guard let length = UInt32(exactly: numbers[index + 1]), let position = UInt32(exactly: numbers[index + 2]),
                UInt64(position) + UInt64(length) <= UInt64(content)
            else { throw Damage("a piece of it is no part of its chunk") }
            pieces.append(BlockMap.Piece(offset: numbers[index], length: length, chunk: chunk, position: position))
        }
    }
}
