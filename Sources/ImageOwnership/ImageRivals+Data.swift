package import ImageMapping
internal import RADOS
internal import RBD

extension ImageRivals {
    /// Refuses an image whose data lies in a pool that this user may not use: its I/O would fail, and nobody would say why.
    ///
    /// - Parameters:
    ///   - imageID: The image's id.
    ///   - isWritten: Whether it is to be written.
    /// - Throws: `MappingError` with `.denied` that names the pool and the caps.
    package func requireData(of imageID: String, isWritten: Bool) throws(MappingError) {
        guard let (pool, error) = context.refusalOfData(ofImageID: imageID, isWritten: isWritten) else { return }
        throw MappingError(
            .denied,
            "cannot use image \(image): its data is in pool '\(pool)', where Ceph refuses to \(isWritten ? "write" : "read") it "
                + "\(MappingError.deniedUser), whose caps must be mon 'profile rbd' and osd "
                + "'\(MappingError.caps(image.pool, image.namespace)), \(MappingError.caps(pool, image.namespace))' "
                + "(\(error.call): \(error.code.name))"
        )
    }
}
