public import RADOS
internal import SystemPackage

extension IOContext {
    /// Takes away an image that has an id and no header, so that whoever is still at making it fails.
    ///
    /// An empty object takes the header's place first. A header must be new, so the maker's comes either before it, and
    /// then nothing is taken away, or not at all while the name leads to it; and a maker looks at the name last.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: The id that the name was seen to lead to; if it leads to another by now, that one stays.
    /// - Returns: Whether it is gone; false when it has a header after all.
    /// - Throws: `RBDError`; the same call brings to an end what it had begun.
    public func removeHeaderless(_ name: String, id: String) async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            try await execute(on: ImageObject.header(ofID: id), isNew: true)
        } catch {
            guard error.isAlreadyThere else { throw RBDError(error) }
            // It came, or another process does the same as we.
            guard try await imageHeader(id: id) == nil else { return false }
        }
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

    /// Lists a named image that the pool's directory does not have, or has with the id of one that lost the name.
    ///
    /// - Parameters:
    ///   - name: The image's name.
    ///   - id: The id that the name was seen to lead to; nothing is done when it leads to another by now.
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

    /// Sees to a name that the pool's directory has and that leads nowhere: it is not listed any more.
    ///
    /// What it was listed with goes to the trash if it has a header and is not there: it may hold data.
    public func mendListing(of name: String) async throws(RBDError) {
        guard let id = try await listedID(of: name), try await imageID(named: name) == nil else { return }
        let hasHeader = try await imageHeader(id: id) != nil
        let isInTrash = try await trashRecord(ofID: id) != nil
        do throws(RADOSError) {
            if hasHeader, !isInTrash {
                do throws(RADOSError) {
                    try await execute(trashAdd(name, id, .normal), on: ImageObject.trash)
                } catch {
                    guard error.isAlreadyThere else { throw error }
                }
            }
            try await unlistImage(name, id: id)
        } catch {
            throw RBDError(error)
        }
    }

    /// Makes a name lead to an id.
    ///
    /// Implements the class call `rbd.set_id`.
    func name(_ id: String, _ name: String) async throws(RADOSError) {
        var input = Encoder()
        input.append(id)
        try await execute(ClassCall("rbd", "set_id", input: input.bytes), on: ImageObject.id(ofName: name), isNew: true)
    }

    /// Lets a name lead nowhere, if it leads to an id; returns whether it did.
    @discardableResult
    func unname(_ name: String, id: String) async throws(RADOSError) -> Bool {
        var leadingToIt = Encoder()
        leadingToIt.append(id)
        return try await remove(ImageObject.id(ofName: name), ifItBeginsWith: leadingToIt.bytes)
    }

    /// Takes away the objects of an id that nothing leads to: no name, no directory, no trash.
    package func removeUnreachable(_ id: String, wasNamed name: String) async throws(RBDError) {
        do throws(RADOSError) {
            try await unlistImage(name, id: id)
        } catch {
            throw RBDError(error)
        }
        do throws(RADOSError) {
            guard try await listedName(of: id) == nil else { return }
        } catch {
            throw RBDError(error)
        }
        guard try await trashRecord(ofID: id) == nil, try await imageID(named: name) != id else { return }
        do throws(RADOSError) {
            try await remove(ImageObject.objectMap(ofID: id))
            try await remove(ImageObject.header(ofID: id))
        } catch {
            throw RBDError(error)
        }
    }
}
