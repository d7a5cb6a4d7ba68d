/// A format that leaves marks on a device: its name in libblkid, its use, and how its marks are found.
public struct Format: Sendable {
    /// libblkid's name, if libblkid knows the format: `LVM2_member`, `xfs`.
    public let name: String
    /// What it is for.
    public let usage: Usage
    /// Devices smaller than this cannot hold it.
    let minimumBytes: UInt64
    let find: @Sendable (ProbedDevice) -> [Mark]

    /// What a format is for.
    public enum Usage: String, Sendable, Hashable, CaseIterable {
        /// Ceph's own.
        case ceph
        /// Holds files, or stands for memory.
        case fileSystem = "filesystem"
        /// Makes a device of several.
        case raid
        /// Hides what is in it.
        case crypto
        /// Divides a device.
        case partitionTable = "partition table"
        /// Anything else.
        case other
    }

    /// Where a mark stands and how long it is.
    public struct Mark: Sendable, Hashable {
        /// From the beginning of the device.
        public let offset: UInt64
        /// The bytes that make a reader believe it.
        public let length: UInt64
        /// Further information: a version, a label.
        public var note: String?

        /// wipefs lists such a mark, blkid and kernels pass over it, and tools of repair may take it.
        static let wrongChecksum = "its checksum is wrong"

        init(_ offset: UInt64, _ length: some BinaryInteger, _ note: String? = nil) {
            self.offset = offset
            self.length = UInt64(clamping: length)
            self.note = note
        }
    }

    init(
        _ name: String,
        _ usage: Usage,
        minimumBytes: UInt64 = 512,
        find: @escaping @Sendable (ProbedDevice) -> [Mark]
    ) {
        self.name = name
        self.usage = usage
        self.minimumBytes = minimumBytes
        self.find = find
    }

    /// A format that is recognised by any of these magics, if what must stand around them does.
    init(
        _ name: String,
        _ usage: Usage,
        _ magics: Magic...,
        if isReal: (@Sendable (ProbedDevice) -> Bool)? = nil,
        isSound: (@Sendable (ProbedDevice) -> Bool)? = nil
    ) {
        self.init(name, usage) { device in
            let marks = magics.compactMap { $0.mark(on: device) }
            guard !marks.isEmpty, isReal?(device) ?? true else { return [] }
            guard let isSound, !isSound(device) else { return marks }
            return marks.map { Mark($0.offset, $0.length, Mark.wrongChecksum) }
        }
    }
}

/// Bytes that mean something at one place.
struct Magic: Sendable {
    let bytes: [UInt8]
    let place: Place

    enum Place: Sendable {
        case start(UInt64)
        /// Counted back from the end.
        case end(UInt64)
    }

    init(_ text: String, at offset: UInt64) {
        self.init(Array(text.utf8), at: offset)
    }

    init(_ bytes: [UInt8], at offset: UInt64) {
        self.bytes = bytes
        place = .start(offset)
    }

    init(_ bytes: [UInt8], beforeEnd distance: UInt64) {
        self.bytes = bytes
        place = .end(distance)
    }

    func mark(on device: ProbedDevice) -> Format.Mark? {
        let offset: UInt64
        switch place {
        case .start(let start): offset = start
        case .end(let distance):
            guard distance <= device.sizeBytes else { return nil }
            offset = device.sizeBytes - distance
        }
        return device.source.holds(bytes, at: offset) ? Format.Mark(offset, bytes.count) : nil
    }
}

/// A device under a probe.
struct ProbedDevice {
    let source: any ByteSource
    /// The unit of addresses, in bytes.
    let logicalSectorBytes: UInt64
    /// Whether to search also where it takes long reads; parts of a disk are searched faster.
    let isThorough: Bool

    var sizeBytes: UInt64 { source.sizeBytes }

    /// The bytes of a structure; fewer at the end.
    func bytes(_ offset: UInt64, _ count: Int) -> [UInt8] { source.bytes(at: offset, count: count) }

    /// The place `distance` before the end; `nil` on smaller devices.
    func beforeEnd(_ distance: UInt64) -> UInt64? { distance <= sizeBytes ? sizeBytes - distance : nil }
}
