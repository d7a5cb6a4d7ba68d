public import RADOS
internal import SystemPackage
public import Timestamps

extension IOContext {
    /// Removes an image that has an id and no header, so that a process that is still creating it fails.
    ///
    /// First it creates an empty object in the header's place. A creator's header must be new. So either the creator's
    /// header exists before, and nothing is removed, or the creator fails as long as the name exists. A creator reads
    /// the name last.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: The id that the name was seen to have; if the name has another id by now, that image is not changed.
    /// - Returns: Whether it was removed; false if it has a header after all.
    /// - Throws: `RBDError`; the same call again completes what was begun.
    public func removeHeaderless(_ name: String, id: String) async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            try await execute(on: ImageObject.header(ofID: id), isNew: true)
        } catch {
            guard error.isAlreadyThere else { throw RBDError(error) }
            // The header was written meanwhile, or another process does the same repair.
            guard try await imageHeader(id: id) == nil else { return false }
        }
        try await forgetClone(name, id: id)
        do throws(RADOSError) {
            try await unlistImage(name, id: id)
            try await remove(ImageObject.objectMap(ofID: id))
            try await unname(name, id: id)
            try await remove(ImageObject.header(ofID: id))
        } catch {
            throw RBDError(error)
        }
        return true
    }

    /// Lists an image that the pool's directory lacks, or lists with the id of an image that lost the name.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: The id that the name was seen to have; nothing is done if the name has another id by now.
    /// - Throws: `RBDError` with `.badFileDescriptor` when the id is listed by another name.
    public func relistImage(_ name: String, id: String) async throws(RBDError) {
        var tries = 4
        while true {
            let listed = try await listedID(of: name)
            guard listed != id, try await imageID(named: name) == id else { break }
            do throws(RADOSError) {
                if let listed { try await unlistImage(name, id: listed) }
                try await execute(.listing(name, id: id), on: ImageObject.directory)
                break
            } catch {
                tries -= 1
                guard error.isAlreadyThere, tries > 0 else { throw RBDError(error) }
            }
        }
        guard try await imageID(named: name) != id else { return }
        do throws(RADOSError) {
            try await unlistImage(name, id: id)
        } catch {
            throw RBDError(error)
        }
    }

    /// Removes a name from the pool's directory that has no id object.
    ///
    /// If the listed id has a header, the image is moved to the trash, because it may hold data.
    public func mendListing(
        of name: String,
        at now: Duration = .sinceEpoch,
        keptFor retention: Duration = .zero
    ) async throws(RBDError) {
        guard let id = try await listedID(of: name), try await imageID(named: name) == nil else { return }
        let hasHeader = try await imageHeader(id: id) != nil
        let isInTrash = try await trashRecord(ofID: id) != nil
        do throws(RADOSError) {
            if hasHeader, !isInTrash {
                let entry = trashAdd(name, id, .normal, at: now, keptFor: retention)
                do throws(RADOSError) {
                    try await execute(entry, on: ImageObject.trash)
                } catch {
                    guard error.isAlreadyThere else { throw error }
                }
            }
            try await unlistImage(name, id: id)
        } catch {
            throw RBDError(error)
        }
    }

    /// Makes a name lead to the id of a new image that has no data pool, and writes that beside it, and other attributes.
    ///
    /// Implements the class call `rbd.set_id`.
    func name(_ id: String, _ name: String, _ others: ObjectAttribute...) async throws(RADOSError) {
        var input = Encoder()
        input.append(id)
        try await execute(
            ClassCall("rbd", "set_id", input: input.bytes),
            on: ImageObject.id(ofName: name),
            isNew: true,
            attributes: [.hasNoDataPool(id)] + others
        )
    }

    /// Removes a name's id object if it holds a certain id; returns whether it did.
    @discardableResult
    func unname(_ name: String, id: String) async throws(RADOSError) -> Bool {
        var leadingToIt = Encoder()
        leadingToIt.append(id)
        return try await remove(ImageObject.id(ofName: name), ifItBeginsWith: leadingToIt.bytes)
    }

    /// Removes the objects of an id that no name, directory entry or trash entry refers to; whether nothing did.
    @discardableResult
    package func removeUnreachable(_ id: String, wasNamed name: String) async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            try await unlistImage(name, id: id)
        } catch {
            throw RBDError(error)
        }
        do throws(RADOSError) {
            guard try await listedName(of: id) == nil else { return false }
        } catch {
            throw RBDError(error)
        }
        guard try await trashRecord(ofID: id) == nil, try await imageID(named: name) != id else { return false }
        do throws(RADOSError) {
            try await remove(ImageObject.objectMap(ofID: id))
            try await remove(ImageObject.header(ofID: id))
        } catch {
            throw RBDError(error)
        }
        return true
    }
}
