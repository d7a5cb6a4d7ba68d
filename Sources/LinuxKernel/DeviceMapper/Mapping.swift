internal import ExactText

/// How a mapping is named to the device mapper.
public enum MappingReference: Sendable, Hashable {
    /// By its name.
    case name(String)
    /// By its uuid.
    case uuid(String)
    /// By its number.
    case device(DeviceNumber)
}

/// What the device mapper tells of a mapping.
public struct MappingInfo: Sendable, Hashable {
    /// Its name below `/dev/mapper`.
    public let name: String
    /// Who made it, and an identifier.
    public let uuid: String
    /// Its number.
    public let device: DeviceNumber
    /// How many have it open.
    public let openCount: Int
    /// How many targets its table has.
    public let targetCount: Int
    /// How many events it had.
    public let eventNumber: UInt32
    /// Whether it refuses writes.
    public let isReadOnly: Bool
    /// Whether its I/O waits.
    public let isSuspended: Bool
    /// Whether a table is in use.
    public let hasLiveTable: Bool
    /// Whether a table was loaded that is not in use.
    public let hasInactiveTable: Bool
    /// Whether it goes when its last user closes it.
    public let isRemovedOnLastClose: Bool
}

/// A line of a mapping's table.
public struct MappingTarget: Sendable, Hashable {
    /// Where it begins, in sectors of 512 bytes.
    public let startSectors: UInt64
    /// How long it is, in sectors of 512 bytes.
    public let lengthSectors: UInt64
    /// `linear`, `crypt`, `error`.
    public let type: String
    /// What the target wants to know.
    public let parameters: String

    /// A line of a table.
    public init(startSectors: UInt64, lengthSectors: UInt64, type: String, parameters: String) {
        self.startSectors = startSectors
        self.lengthSectors = lengthSectors
        self.type = type
        self.parameters = parameters
    }

    /// As dmsetup prints it, but never with a key.
    public var line: String {
        "\(startSectors) \(lengthSectors) \(type) \(shownParameters)"
    }

    /// The parameters without key material.
    ///
    /// A crypt target's second word is its key; a key in the kernel's keyring (`:64:logon:…`) names only its place.
    public var shownParameters: String {
        guard type == "crypt" else { return parameters }
        var words = parameters.parts(at: " ")
        if words.count > 1, !words[1].startsExactly(with: ":") {
            words[1] = String(repeating: "0", count: words[1].count)
        }
        return words.joined(separator: " ")
    }
}

/// Names of logical volumes as the device mapper has them: volume group, hyphen, volume; hyphens inside doubled.
public struct MappingName: Sendable, Hashable {
    /// The volume group.
    public let group: String
    /// The logical volume.
    public let volume: String
    /// What LVM adds for its inner devices: `real`, `cow`.
    public let layer: String?

    /// Splits `ceph--1-osd--block--2`; `nil` if there is no single hyphen.
    public init?(_ name: String) {
        var parts: [String] = [""]
        var rest = Self.decoded(name)[...]
        while let character = rest.popFirst() {
            if character == "-" {
                if rest.first == "-" {
                    rest.removeFirst()
                    parts[parts.count - 1].append("-")
                } else {
                    parts.append("")
                }
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        guard parts.count == 2 || parts.count == 3, !parts.contains("") else { return nil }
        group = parts[0]
        volume = parts[1]
        layer = parts.count == 3 ? parts[2] : nil
    }

    /// Puts a name together.
    public static func name(group: String, volume: String) -> String {
        "\(doubled(group))-\(doubled(volume))"
    }

    /// Replaces `\xNN`, which stands for characters that names may not have.
    public static func decoded(_ name: String) -> String {
        let bytes = Array(name.utf8)
        var plain: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\"), index + 3 < bytes.count, bytes[index + 1] == UInt8(ascii: "x"),
                let value = UInt8(String(decoding: bytes[(index + 2)...(index + 3)], as: UTF8.self), radix: 16)
            {
                plain.append(value)
                index += 4
            } else {
                plain.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }

    private static func doubled(_ text: String) -> String {
        text.parts(at: "-").joined(separator: "--")
    }
}
