/// What a block device holds, as far as its first and last bytes tell.
public enum DeviceContent: Sendable, Hashable, CustomStringConvertible {
    /// Nothing but zeros where anything would have left a mark.
    case blank
    /// Something that ``FormatCatalog`` knows, by its name there: `ext4`, `LVM2_member`.
    case known(format: String)
    /// Something that has no name here; the first byte that is not zero stands at this offset.
    case unknown(offset: UInt64)

    /// For a person: `ext4`, `data of an unknown kind at byte 8192`.
    public var description: String {
        switch self {
        case .blank: "nothing"
        case .known(let format): format
        case .unknown(let offset): "data of an unknown kind at byte \(offset)"
        }
    }
}
