public import RADOS

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
}
