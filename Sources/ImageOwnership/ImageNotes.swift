internal import ExactText
package import ImageMapping
package import RADOS
internal import RBD

/// What is written on an image, read and changed through the connection of a client that has it.
///
/// A client that was fenced can change nothing any more; one that was only slow finds that the key has another value.
///
/// All calls block.
package struct ImageNotes: Sendable {
    package let context: IOContext
    package let image: ImageAddress
    package let imageID: String

    /// Names the image, as it is reached through a connection.
    package init(context: IOContext, image: ImageAddress, imageID: String) {
        (self.context, self.image, self.imageID) = (context, image, imageID)
    }

    /// Nacre's own keys; an image may have any number of others.
    package func metadata() throws(MappingError) -> [String: String] {
        do throws(RBDError) {
            if let found = try context.metadata(ofImageID: imageID, after: "nacre.io/") { return found }
        } catch {
            throw MappingError("read the metadata of image \(image)", error)
        }
        throw MappingError.headless(image)
    }

    /// The image itself.
    package var identity: ImageIdentity { ImageIdentity(poolID: context.poolID, imageID: imageID) }

    /// Which image has the name now.
    package func whereabouts() throws(MappingError) -> ImageWhereabouts {
        do throws(RADOSError) {
            try context.cluster.refreshMap()
        } catch {
            throw MappingError("look up which image is named \(image)", error)
        }
        return try ImageWhereabouts(of: identity, as: image, on: context.cluster)
    }

    /// Whether an object of the image exists that holds a part of a range; `nil` if that would take long to tell.
    package func holdsObjects(in range: Range<UInt64>) throws(MappingError) -> Bool? {
        do throws(RBDError) {
            let opened = try Image.open(image.name, in: context, access: .readOnly)
            defer { opened.close() }
            // Of another image under the name nothing can be told here.
            guard try opened.id().isExactly(imageID) else { return nil }
            return try opened.holdsObjects(in: range)
        } catch {
            throw MappingError("look for objects of image \(image)", error)
        }
    }

    package func apply(_ change: MetadataChange) throws(MappingError) {
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
