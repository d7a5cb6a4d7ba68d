internal import SystemPackage

/// A request to the device mapper or its answer: one buffer that begins with `struct dm_ioctl`.
///
/// | offset | field | |
/// | --- | --- | --- |
/// | 0 | version u32[3] | 4.0.0 is asked for; the kernel tells its own |
/// | 12 | data_size u32 | of the whole buffer; the part used in the answer |
/// | 16 | data_start u32 | 312 |
/// | 20 | target_count u32 | |
/// | 24 | open_count i32 | |
/// | 28 | flags u32 | |
/// | 32 | event_nr u32 | 0: no udev cookie, so no tool waits for a missing udevd |
/// | 40 | dev u64 | |
/// | 48 | name[128] | |
/// | 176 | uuid[129] | |
///
/// See: <linux/dm-ioctl.h>.
struct MapperMessage {
    static let headerBytes = 312

    struct Flags {
        static let readOnly: UInt32 = 1
        static let suspended: UInt32 = 2
        static let persistentNumber: UInt32 = 8
        static let statusTable: UInt32 = 0x10
        static let activePresent: UInt32 = 0x20
        static let inactivePresent: UInt32 = 0x40
        static let bufferFull: UInt32 = 0x100
        static let skipLockFS: UInt32 = 0x400
        static let noFlush: UInt32 = 0x800
        static let uuidGiven: UInt32 = 0x4000
        static let secureData: UInt32 = 0x8000
        static let deferredRemove: UInt32 = 0x20000
    }

    /// Numbers of the ioctls.
    enum Command: UInt32 {
        case version = 0, listDevices = 2, create, remove, rename, suspend, status
        case loadTable = 9, clearTable, dependencies, tableStatus, listTargets
    }

    var bytes: [UInt8]

    /// A request about a mapping, by exactly one of name, uuid and number.
    init(_ reference: MappingReference? = nil, flags: UInt32 = 0, payload: [UInt8] = [], capacity: Int = 0) {
        bytes = [UInt8](repeating: 0, count: Self.headerBytes)
        put(4, at: 0)
        put(UInt32(Self.headerBytes), at: 16)
        put(flags, at: 28)
        switch reference {
        case .name(let name): put(name, at: 48, room: 128)
        case .uuid(let uuid): put(uuid, at: 176, room: 129)
        case .device(let device):
            let value = UInt64(device.minor & 0xFF) | UInt64(device.major) << 8 | UInt64(device.minor & ~0xFF) << 12
            put(UInt32(truncatingIfNeeded: value), at: 40)
            put(UInt32(truncatingIfNeeded: value >> 32), at: 44)
        case nil: break
        }
        bytes += payload
        if bytes.count < capacity { bytes += [UInt8](repeating: 0, count: capacity - bytes.count) }
        put(UInt32(bytes.count), at: 12)
    }

    /// An answer.
    init(answer: [UInt8]) {
        bytes = answer
    }

    mutating func put(_ value: UInt32, at offset: Int) {
        for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
    }

    mutating func put(_ text: String, at offset: Int, room: Int) {
        for (index, byte) in text.utf8.prefix(room - 1).enumerated() { bytes[offset + index] = byte }
    }

    /// The word at `offset`; 0 beyond the end.
    func word(_ offset: Int) -> UInt32 {
        guard offset >= 0, offset <= bytes.count - 4 else { return 0 }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }

    func long(_ offset: Int) -> UInt64 {
        UInt64(word(offset)) | UInt64(word(offset + 4)) << 32
    }

    /// The text from `offset` to the next zero, the limit or the end.
    func text(_ offset: Int, limit: Int = .max) -> String {
        guard offset >= 0, offset < bytes.count else { return "" }
        return String(decoding: bytes[offset...].prefix(limit).prefix { $0 != 0 }, as: UTF8.self)
    }

    static func device(_ value: UInt64) -> DeviceNumber {
        DeviceNumber(
            major: UInt32(truncatingIfNeeded: (value >> 8) & 0xFFF),
            minor: UInt32(truncatingIfNeeded: value & 0xFF | (value >> 12) & 0xFFF_FF00)
        )
    }

    var flags: UInt32 { word(28) }
    var dataStart: Int { Int(word(16)) }
    /// How much of the buffer the kernel filled.
    var dataEnd: Int { min(bytes.count, Int(word(12))) }

    /// The mapping that the header tells of.
    var info: MappingInfo {
        MappingInfo(
            name: text(48, limit: 128),
            uuid: text(176, limit: 129),
            device: Self.device(long(40)),
            openCount: Int(Int32(bitPattern: word(24))),
            targetCount: Int(word(20)),
            eventNumber: word(32),
            isReadOnly: flags & Flags.readOnly != 0,
            isSuspended: flags & Flags.suspended != 0,
            hasLiveTable: flags & Flags.activePresent != 0,
            hasInactiveTable: flags & Flags.inactivePresent != 0,
            isRemovedOnLastClose: flags & Flags.deferredRemove != 0
        )
    }

    /// LIST_DEVICES: records of number, distance to the next one, name.
    var deviceList: [(device: DeviceNumber, name: String)] {
        var found: [(device: DeviceNumber, name: String)] = []
        var offset = dataStart
        while offset >= Self.headerBytes, offset + 12 < dataEnd {
            let device = long(offset)
            guard device != 0 else { break }
            found.append((Self.device(device), text(offset + 12)))
            let next = Int(word(offset + 8))
            guard next > 0 else { break }
            offset += next
        }
        return found
    }

    /// TABLE_DEPS: a count, then numbers.
    var dependencyList: [DeviceNumber] {
        let start = dataStart
        guard start >= Self.headerBytes, start + 8 <= dataEnd else { return [] }
        let count = min(Int(word(start)), (dataEnd - start - 8) / 8)
        return (0..<count).map { Self.device(long(start + 8 + 8 * $0)) }
    }

    /// TABLE_STATUS: `next` counts from the first target here, from the target itself in TABLE_LOAD.
    var targetList: [MappingTarget] {
        var found: [MappingTarget] = []
        let start = dataStart
        var offset = start
        for _ in 0..<min(word(20), 1 << 20) {
            guard offset >= Self.headerBytes, offset + 40 <= dataEnd else { break }
            let target = MappingTarget(
                startSectors: long(offset),
                lengthSectors: long(offset + 8),
                type: text(offset + 24, limit: 16),
                parameters: text(offset + 40)
            )
            found.append(target)
            let next = start + Int(word(offset + 20))
            guard next > offset else { break }
            offset = next
        }
        return found
    }

    /// LIST_VERSIONS: distance to the next one, version, name.
    var targetTypes: [String] {
        var found: [String] = []
        var offset = dataStart
        while offset >= Self.headerBytes, offset + 16 < dataEnd {
            found.append("\(text(offset + 16)) \(word(offset + 4)).\(word(offset + 8)).\(word(offset + 12))")
            let next = Int(word(offset))
            guard next > 0 else { break }
            offset += next
        }
        return found
    }

    /// What TABLE_LOAD wants: targets of 40 bytes and their parameters, each aligned to 8.
    static func payload(_ targets: [MappingTarget]) -> [UInt8] {
        var bytes: [UInt8] = []
        for target in targets {
            let parameters = Array(target.parameters.utf8) + [0]
            let length = (40 + parameters.count + 7) / 8 * 8
            var record = MapperMessage(answer: [UInt8](repeating: 0, count: length))
            record.put(UInt32(truncatingIfNeeded: target.startSectors), at: 0)
            record.put(UInt32(truncatingIfNeeded: target.startSectors >> 32), at: 4)
            record.put(UInt32(truncatingIfNeeded: target.lengthSectors), at: 8)
            record.put(UInt32(truncatingIfNeeded: target.lengthSectors >> 32), at: 12)
            record.put(UInt32(length), at: 20)
            record.put(target.type, at: 24, room: 16)
            record.bytes.replaceSubrange(40..<(40 + parameters.count), with: parameters)
            bytes += record.bytes
        }
        return bytes
    }
}
