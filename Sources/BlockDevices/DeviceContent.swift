/// What a block device holds, according to its first and last bytes.
public enum DeviceContent: Sendable, Hashable, CustomStringConvertible {
    /// Only zeros where every format has its marks.
    case blank
    /// A format of ``FormatCatalog``, by its name: `ext4`, `LVM2_member`.
    case known(format: String)
    /// Unrecognised data; the first byte that is not zero is at this offset.
    case unknown(offset: UInt64)

    /// In words: `ext4`, `data of an unknown kind at byte 8192`.
    public var description: String {
        switch self {
        case .blank: "nothing"
        case .known(let format): format
        case .unknown(let offset): "data of an unknown kind at byte \(offset)"
        }
    }
}
