internal import Secrets
internal import Synchronization

/// CSI's rules for volumes, on top of an `ImageStore`.
///
/// The image is the record: its name is a pure function of the request's name, so there is no journal that could
/// disagree with it. The life of a volume: `createVolume` (`VolumeService+Create.swift`), any number of `expandVolume`
/// (`VolumeService+Expand.swift`), `deleteVolume` (`VolumeService+Delete.swift`); `VolumeStep` lists where each can be
/// killed and what the retry then does.
public final class VolumeService: ControllerService {
    let store: any ImageStore
    let operations: Operations
    let trial: (any FileSystemTrial)?
    /// The capacity of each pool when it was last read, in bytes.
    let poolSizes = Mutex<[PoolAddress: UInt64]>([:])

    /// Makes the service.
    ///
    /// - Parameters:
    ///   - store: Where the images live.
    ///   - operations: The operations under way; no other code adds operations on volumes.
    ///   - trial: Who asks mkfs about a class's options; `nil` if only the node finds out.
    public init(
        store: any ImageStore,
        operations: Operations = Operations(),
        trial: (any FileSystemTrial)? = nil
    ) {
        self.store = store
        self.operations = operations
        self.trial = trial
    }

    /// The image's state if it is complete; throws `.notFound` otherwise.
    func presentImage(
        _ id: VolumeID,
        credentials: Credentials?
    ) async throws(VolumeError) -> ImageRecord {
        enter(VolumeStep.lookingUp, id.imageSpec)
        let state = try await finding(id) { () async throws(VolumeError) in
            try await store.image(id, credentials: credentials)
        }
        switch state {
        case .present(let record): return record
        case .absent: throw await absence(of: id, credentials)
        case .halfMade(let what):
            throw VolumeError(.notFound, "volume '\(id)' does not exist: \(Self.halfMade(id, what))")
        case .damaged(let what):
            throw VolumeError(.failedPrecondition, "image '\(id.imageSpec)' is damaged: \(what)")
        }
    }

    /// What is wrong with an image that is there in part.
    static func halfMade(_ id: VolumeID, _ what: String) -> String {
        "image '\(id.imageSpec)' was never finished, or a part of it is lost (\(what))"
    }

    /// The error for a volume that does not exist.
    func absence(of id: VolumeID, _ credentials: Credentials?) async -> VolumeError {
        let other = await store.namesake(of: id, credentials: credentials).map { "; \($0)" } ?? ""
        return VolumeError(.notFound, "volume '\(id)' does not exist: there is no image '\(id.imageSpec)'\(other)")
    }

    /// Runs calls on a volume that must exist; one in a cluster or pool that there is not is `.notFound`, as CSI has it.
    func finding<R: Sendable>(
        _ id: VolumeID,
        _ body: () async throws(VolumeError) -> R
    ) async throws(VolumeError) -> R {
        do throws(VolumeError) {
            return try await body()
        } catch {
            guard error.isOfMissingPlace else { throw error }
            throw VolumeError(.notFound, "volume '\(id)' does not exist: \(error.message)")
        }
    }

    /// Parses the handle of a volume that must exist; a handle of another form names no volume.
    func existing(_ volumeID: String) throws(VolumeError) -> VolumeID {
        do throws(VolumeError) {
            return try VolumeID(parsing: volumeID)
        } catch {
            guard !VolumeID.isOfCephCSI(volumeID) else { throw Self.ofCephCSI("use", volumeID) }
            throw VolumeError(.notFound, "volume '\(volumeID.printable)' does not exist: \(error.message)")
        }
    }
}
