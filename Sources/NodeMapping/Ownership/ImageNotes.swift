internal import RADOS
internal import RBD

/// A key of an image's metadata that is to change.
public struct MetadataChange: Sendable, Hashable, Codable {
    /// The key.
    public let key: String
    /// What it must have now; nothing for a key that is not there.
    public let present: String?
    /// What it becomes.
    public let value: String

    /// Names the key, what it was and what it becomes.
    public init(_ key: String, from present: String?, to value: String) {
        self.key = key
        self.present = present
        self.value = value
    }
}

/// What is written on an image, read and changed through the connection of a client that has it.
///
/// A client that was fenced can change nothing any more; one that was only slow finds that the key has another value.
///
/// All calls block.
struct ImageNotes: Sendable {
    let context: IOContext
    let image: ImageAddress
    let imageID: String

    /// Nacre's own keys; an image may have any number of others.
    func metadata() throws(MappingError) -> [String: String] {
        do throws(RBDError) {
            if let found = try context.metadata(ofImageID: imageID, after: "nacre.io/") { return found }
        } catch {
            throw MappingError("read the metadata of image \(image)", error)
        }
        throw MappingError(.notFound, "there is no image \(image)")
    }

    func apply(_ change: MetadataChange) throws(MappingError) {
        do throws(RBDError) {
            if try context.replaceMetadata(change.key, change.present, with: change.value, ofImageID: imageID) {
                return
            }
        } catch {
            throw MappingError("write \(change.key) on image \(image)", error)
        }
        throw MappingError(
            .fenced,
            "cannot write \(change.key) on image \(image): another client has changed it meanwhile; stage its volume again"
        )
    }
}
