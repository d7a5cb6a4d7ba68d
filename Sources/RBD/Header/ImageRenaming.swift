public import RADOS
internal import SystemPackage

extension IOContext {
    /// Ends a renaming that has come so far that the image has its new name: nothing but the old name's object is left.
    ///
    /// `rbd rename` makes the new name lead to the image, has the pool's directory list it by that name, and removes the old
    /// name's object last. Who is killed before that leaves an image with two names; `rbd ls` shows the new one, so the image
    /// is not the old name's any more, to be deleted or taken for its volume's.
    ///
    /// - Parameters:
    ///   - name: The old name.
    ///   - id: The id that it leads to.
    /// - Returns: Whether the image has another name.
    /// - Throws: `RBDError`.
    public func endRenaming(of name: String, id: String) async throws(RBDError) -> Bool {
        let listed: String?
        do throws(RADOSError) {
            listed = try await listedName(of: id)
        } catch {
            throw RBDError(error)
        }
        guard let listed, listed != name, try await imageID(named: listed) == id else { return false }
        do throws(RADOSError) {
            try await unname(name, id: id)
        } catch {
            throw RBDError(error)
        }
        return true
    }

    /// Renames an image, also from where a kill has left it.
    ///
    /// The image is not opened; as with `rbd rename`, a client that has it open does not mind. Implements the class calls
    /// `rbd.set_id` and `rbd.dir_rename_image`, in librbd's order:
    ///
    /// | step | a kill before it leaves |
    /// | --- | --- |
    /// | the new name leads to the id | the image by its old name |
    /// | the directory lists it by the new name | the same, and an object of the new name |
    /// | the old name's object is removed | the image by its new name, and an object of the old name: see `endRenaming` |
    ///
    /// - Parameters:
    ///   - name: Its name.
    ///   - id: Its id.
    ///   - newName: The name that it gets.
    /// - Throws: `RBDError` with `.fileExists` if another image has the new name, `.noSuchFileOrDirectory` if the image has
    ///   neither name.
    public func renameImage(_ name: String, id: String, to newName: String) async throws(RBDError) {
        let listed: String?
        do throws(RADOSError) {
            listed = try await listedName(of: id)
            var input = Encoder()
            input.append(id)
            do throws(RADOSError) {
                try await execute(
                    ClassCall("rbd", "set_id", input: input.bytes),
                    on: ImageObject.id(ofName: newName),
                    isNew: true
                )
            } catch {
                guard error.isAlreadyThere else { throw error }
            }
        } catch {
            throw RBDError(error)
        }
        guard try await imageID(named: newName) == id else {
            throw RBDError(call: "rbd.set_id", code: .fileExists, subject: "\(label)/\(newName)")
        }
        if listed != newName { try await relist(name, id: id, as: newName) }
        do throws(RADOSError) {
            try await unname(name, id: id)
        } catch {
            throw RBDError(error)
        }
    }

    /// Takes back the first step of a renaming that was killed after it: the new name leads to the image no more.
    ///
    /// Nothing is done where the new name leads elsewhere, or where the pool's directory lists the image by it.
    ///
    /// - Parameters:
    ///   - newName: The name that the image was to get.
    ///   - id: Its id.
    /// - Throws: `RBDError`.
    public func takeBackRenaming(to newName: String, id: String) async throws(RBDError) {
        do throws(RADOSError) {
            guard try await listedName(of: id) != newName else { return }
            try await unname(newName, id: id)
        } catch {
            throw RBDError(error)
        }
    }

    /// Has the pool's directory list an image by a new name, which leads to it by now.
    private func relist(_ name: String, id: String, as newName: String) async throws(RBDError) {
        var names = Encoder()
        names.append(name)
        names.append(newName)
        names.append(id)
        do throws(RADOSError) {
            try await execute(ClassCall("rbd", "dir_rename_image", input: names.bytes), on: ImageObject.directory)
        } catch {
            // It may still be carried out: an image that is listed by a name without an object would be nobody's.
            guard !RBDError(error).isWithoutAnswer else { throw RBDError(error) }
            // Another process was faster.
            let isDone: Bool
            do throws(RADOSError) {
                isDone = try await listedName(of: id) == newName
                if !isDone { try await unname(newName, id: id) }
            } catch {
                throw RBDError(error)
            }
            guard isDone else { throw RBDError(error) }
        }
    }
}
