internal import ExactText

/// What a new volume is made from: the handle of a snapshot or of a volume, as it was given.
///
/// CSI: VolumeContentSource.
public enum ContentSource: Sendable, Hashable, CustomStringConvertible {
    /// A snapshot, by its handle.
    case snapshot(String)
    /// A volume, by its handle.
    case volume(String)

    /// The handle.
    public var handle: String {
        switch self {
        case .snapshot(let handle), .volume(let handle): handle
        }
    }

    /// Which of the two it is.
    public var isSnapshot: Bool {
        if case .snapshot = self { true } else { false }
    }

    /// For a person: `snapshot 'lab/rbd//1a2b@csi-snap-…'`.
    public var description: String { "\(isSnapshot ? "snapshot" : "volume") '\(handle.printable)'" }

    /// Reads what stands on an image that was made from it, by its `ImageMetadataKey.source`; `nil` if that is neither.
    public init?(metadata text: String?) {
        guard let text else { return nil }
        if (try? SnapshotID(parsing: text)) != nil {
            self = .snapshot(text)
        } else if (try? VolumeID(parsing: text)) != nil {
            self = .volume(text)
        } else {
            return nil
        }
    }

    /// Whether both have the same bytes.
    public static func == (one: Self, other: Self) -> Bool {
        one.isSnapshot == other.isSnapshot && one.handle.isExactly(other.handle)
    }

    /// Feeds the handle's bytes.
    public func hash(into hasher: inout Hasher) { hasher.combine(ExactText(handle)) }
}
