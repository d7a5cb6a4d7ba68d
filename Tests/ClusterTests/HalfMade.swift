import RBD
import TestSupport

/// The states of an image after a kill inside a call, made by hand from a complete image.
enum HalfMade: String, CaseIterable, CustomStringConvertible {
    case directoryEntryOnly = "create: only the directory entry is there"
    case idWithoutHeader = "create: the id is there, the header is not"
    case headerWithoutObjectMap = "create: the header is there, the object map is not"
    case idWithObjectMap = "create: the id and the object map are there"
    case idAndListingWithObjectMap = "create: all is there but the header"
    case idWithHeader = "create: the id and the header are there"
    case idOnly = "create or remove: only the id is there"
    case idWithoutDirectoryEntry = "restore: all is there but the directory entry"
    case movingWithName = "trash move: an entry in the trash, the name still there"
    case movingWithoutID = "trash move: an entry in the trash, the id gone, the name still listed"
    case movingWithoutName = "trash move: an entry in the trash that says it is still being moved"
    case restoringWithID = "restore: the id is back, the entry in the trash says so, the directory does not"
    case restoringWithName = "restore: the name is back, the entry in the trash is still there"
    case removingWithName = "remove: an entry in the trash, the name still there"
    case removingWithoutName = "remove: an entry in the trash, no name, a header"
    case removingWithoutHeader = "remove: an entry in the trash, all else gone"
    case purgedWithoutHeader = "trash remove: an entry of a delete in the trash, all else gone"
    case purgingWithHeader = "trash remove: an entry that says it is being removed, a header"

    var description: String { rawValue }

    /// Whether the name still resolves to the image and its data, so that Create must find it and keep it.
    var isAVolume: Bool {
        switch self {
        case .headerWithoutObjectMap, .idWithHeader, .idWithoutDirectoryEntry, .movingWithName, .restoringWithID,
            .restoringWithName:
            true
        default: false
        }
    }

    /// Whether it may have data: its header exists.
    var keepsHeader: Bool {
        switch self {
        case .directoryEntryOnly, .idWithoutHeader, .idWithObjectMap, .idAndListingWithObjectMap, .idOnly,
            .removingWithoutHeader, .purgedWithoutHeader:
            false
        default: true
        }
    }

    /// Whether another program made this state: Nacre never calls `rbd_remove`.
    var isOthers: Bool { self == .removingWithoutName }

    func make(of image: String, id: String, in census: PoolCensus) async throws {
        switch self {
        case .directoryEntryOnly:
            try await remove(.id, .header, .map)
        case .idWithoutHeader:
            try await remove(.header, .map)
        case .headerWithoutObjectMap:
            try await remove(.map)
        case .idWithObjectMap:
            try await remove(.header, .listing)
        case .idAndListingWithObjectMap:
            try await remove(.header)
        case .idWithHeader:
            try await remove(.map, .listing)
        case .idOnly:
            try await remove(.header, .map, .listing)
        case .idWithoutDirectoryEntry:
            try await remove(.listing)
        case .movingWithName:
            try await trash(.user, .moving)
        case .movingWithoutID:
            try await census.markAsTrashed(id, at: 0)
            try await trash(.user, .moving)
            try await remove(.id)
        case .movingWithoutName:
            try await census.markAsTrashed(id, at: 0)
            try await trash(.user, .moving)
            try await remove(.id, .listing)
        case .restoringWithID:
            try await trash(.user, .restoring)
            try await remove(.listing)
        case .restoringWithName:
            try await trash(.user, .restoring)
        case .removingWithName:
            try await trash(.removing, .moving)
        case .removingWithoutName:
            try await trash(.removing, .normal)
            try await remove(.id, .listing)
        case .removingWithoutHeader:
            try await trash(.removing, .removing)
            try await remove(.id, .listing, .header, .map)
        case .purgedWithoutHeader:
            try await trash(.user, .removing)
            try await remove(.id, .listing, .header, .map)
        case .purgingWithHeader:
            try await census.markAsTrashed(id, at: 0)
            try await trash(.user, .removing)
            try await remove(.id, .listing)
        }

        func trash(_ source: RawTrashEntry.Source, _ state: RawTrashEntry.State) async throws {
            try await census.addToTrash(RawTrashEntry(id: id, name: image, source: source, state: state))
        }

        func remove(_ parts: Part...) async throws {
            for part in parts {
                switch part {
                case .id: try await census.removeObject(ImageObject.id(ofName: image))
                case .header: try await census.removeObject(ImageObject.header(ofID: id))
                case .map: try await census.removeObject(ImageObject.objectMap(ofID: id))
                case .listing: try await census.unlist(image, id: id)
                }
            }
        }
    }

    private enum Part { case id, header, map, listing }
}
