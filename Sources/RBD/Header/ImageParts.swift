public import RADOS

/// Which objects of an image with a name and an id exist.
public struct ImageParts: Sendable {
    /// Its header; `nil` if it was never written.
    public let header: ImageHeader?
    /// Whether it has an object map.
    public let hasObjectMap: Bool
    /// Whether the pool's directory lists its name with its id.
    public let isListed: Bool
}

extension IOContext {
    /// Which objects of an image exist, by three reads at once.
    public func imageParts(named name: String, id: String) async throws(RBDError) -> ImageParts {
        async let map = outcome { () async throws(RBDError) in try await holdsObjectMap(ofID: id) }
        async let listing = outcome { () async throws(RBDError) in try await listedID(of: name) == id }
        let header = try await imageHeader(id: id)
        let (hasObjectMap, isListed) = (try await map.get(), try await listing.get())
        return ImageParts(header: header, hasObjectMap: hasObjectMap, isListed: isListed)
    }

    private func holdsObjectMap(ofID id: String) async throws(RBDError) -> Bool {
        do throws(RADOSError) {
            return try await sizeBytes(of: ImageObject.objectMap(ofID: id)) != nil
        } catch {
            throw RBDError(error)
        }
    }

    /// A child task's error keeps its type only as a value.
    func outcome<R>(_ body: () async throws(RBDError) -> R) async -> Result<R, RBDError> {
        do throws(RBDError) {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
}
