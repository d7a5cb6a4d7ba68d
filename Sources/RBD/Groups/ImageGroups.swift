internal import CRBD
public import RADOS
internal import SystemPackage

/// An image in a group.
public struct GroupMember: Sendable, Hashable {
    /// The image's name.
    public let name: String
    /// The number of its pool; it is in the group's RADOS namespace.
    public let poolID: Int64
    /// Whether it was added to its end: a killed call leaves one that was not.
    public let isAttached: Bool
}

/// All of these block; they belong on a `BlockingPool`.
extension IOContext {
    /// Makes a group, for images that snapshots are to be made of at one instant.
    ///
    /// Implements `rbd_group_create`. Similar to: rbd group create.
    ///
    /// - Parameter name: The group's name, in this pool and namespace.
    /// - Throws: `RBDError` with `.fileExists` if there is one of that name.
    public func createGroup(_ name: String) throws(RBDError) {
        try check(withRawContext { rbd_group_create($0, name) }, "rbd_group_create", "\(label)/\(name)")
    }

    /// Removes a group with all of its snapshots; its images stay as they are.
    ///
    /// One that is not there is no error. Implements `rbd_group_remove`. Similar to: rbd group rm. A killed one goes on when it is called again.
    ///
    /// - Parameter name: The group's name.
    /// - Throws: `RBDError`.
    public func removeGroup(_ name: String) throws(RBDError) {
        try check(withRawContext { rbd_group_remove($0, name) }, "rbd_group_remove", "\(label)/\(name)")
    }

    /// Adds an image to a group; an image is in one group at most.
    ///
    /// Implements `rbd_group_image_add`. Similar to: rbd group image add.
    ///
    /// - Parameters:
    ///   - image: The image's name.
    ///   - imageContext: The pool that it lies in.
    ///   - group: The group's name.
    /// - Throws: `RBDError` with `.fileExists` if it is in another group, and `.noSuchFileOrDirectory` if there is no such
    ///   image or group. One that is in this group already is no error.
    public func addImage(_ image: String, in imageContext: IOContext, toGroup group: String) throws(RBDError) {
        let result = withRawContext { raw in
            imageContext.withRawContext { rbd_group_image_add(raw, group, $0, image) }
        }
        try check(result, "rbd_group_image_add", "\(label)/\(group): \(imageContext.label)/\(image)")
    }

    /// Takes an image out of a group; snapshots of the group that it is in stay.
    ///
    /// Implements `rbd_group_image_remove`. Similar to: rbd group image rm.
    ///
    /// - Parameters:
    ///   - image: The image's name.
    ///   - imageContext: The pool that it lies in.
    ///   - group: The group's name.
    /// - Throws: `RBDError` with `.noSuchFileOrDirectory` if there is no such image or group; `.invalidArgument` if the image
    ///   is not in it.
    public func removeImage(_ image: String, in imageContext: IOContext, fromGroup group: String) throws(RBDError) {
        let result = withRawContext { raw in
            imageContext.withRawContext { rbd_group_image_remove(raw, group, $0, image) }
        }
        try check(result, "rbd_group_image_remove", "\(label)/\(group): \(imageContext.label)/\(image)")
    }

    /// The names of the groups in this pool and namespace.
    ///
    /// Implements `rbd_group_list`. Similar to: rbd group ls.
    public func groups() throws(RBDError) -> [String] {
        var size = 4096
        while true {
            var names = [CChar](repeating: 0, count: size)
            let result = withRawContext { rbd_group_list($0, &names, &size) }
            guard result != -Errno.outOfRange.rawValue else { continue }
            let length = Int(try check(result, "rbd_group_list", label))
            // The names lie one after the other, each with a zero at its end.
            let bytes = names.prefix(length).map { UInt8(bitPattern: $0) }
            return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// The images in a group; none if there is no such group.
    ///
    /// Implements `rbd_group_image_list`. Similar to: rbd group image ls.
    public func images(ofGroup group: String) throws(RBDError) -> [GroupMember] {
        var capacity = 32
        while true {
            var infos = [rbd_group_image_info_t](repeating: rbd_group_image_info_t(), count: capacity)
            let size = MemoryLayout<rbd_group_image_info_t>.size
            let result = withRawContext { rbd_group_image_list($0, group, &infos, size, &capacity) }
            guard result != -Errno.outOfRange.rawValue else { continue }
            try check(result, "rbd_group_image_list", "\(label)/\(group)")
            defer { rbd_group_image_list_cleanup(&infos, size, capacity) }
            return infos.prefix(capacity).map { info in
                GroupMember(
                    name: String(cString: info.name),
                    poolID: info.pool,
                    isAttached: info.state == RBD_GROUP_IMAGE_STATE_ATTACHED
                )
            }
        }
    }
}
