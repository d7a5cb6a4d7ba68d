internal import ImageMapping
internal import NodeMapping
internal import Volumes

extension NodeVolumeService {
    /// Longer than Ceph keeps the watch of a client that is not heard of: 30 s.
    private static let holderLimit = Duration.seconds(45)
    /// Between two tries.
    private static let holderPause = Duration.seconds(1)
    /// What an answer to the caller needs.
    private static let answerTime = Duration.seconds(5)

    /// Maps an image; waits for one whose holder does not answer.
    ///
    /// kubelet doubles its pause after each failure. Without the wait, a volume of a dead node comes up to 16 s later than
    /// it could. The wait holds no thread. A holder that answers is refused at once.
    func mapped(
        _ request: MapRequest,
        by choice: MapperChoice,
        deadline: ContinuousClock.Instant
    ) async throws(VolumeError) -> MappedDevice {
        let mapper = mapper
        let end = min(deadline - Self.answerTime, .now + Self.holderLimit)
        while true {
            let result = try await mapping { (observer) throws(MappingError) in
                Result { () throws(MappingError) in try mapper.map(request, by: choice, observer: observer) }
            }
            switch result {
            case .success(let device): return device
            case .failure(let error):
                guard error.holderIsSilent, .now + Self.holderPause < end else {
                    throw await explained(error, request.image)
                }
                enter(NodeStep.waitingForHolder, error.message)
                guard (try? await Task.sleep(for: Self.holderPause)) != nil else { throw VolumeError(error) }
            }
        }
    }
}
