import Volumes

extension Session {
    /// What the node must be told of a volume, as create was told it; a StorageClass' PersistentVolume says it.
    ///
    /// mkfs gets its options from the image in any case; where the image cannot be read here, only the choice of a
    /// mapper is lost, and a person is told.
    func nodeParameters(of id: VolumeID) async throws -> [String: String] {
        do {
            return try await during("looking for what volume '\(wording.name(of: id))' was made with") { deadline in
                try await backend.status(of: "\(id)", deadline: deadline).volume.facts.nodeParameters
            }
        } catch let error as VolumeError where ExitStatus(error.code) != .tryAgain && error.code != .notFound {
            note("mapping it without what create was told of mounter and mapOptions: \(error.message)")
            return [:]
        }
    }
}
