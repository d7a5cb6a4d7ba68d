internal import JSON
internal import KubernetesAPI
internal import Synchronization

/// Shared reads of Secrets, so that a thousand claims of a class do not read its Secret a thousand times.
///
/// A result is cached for one second, so that a rotated key is known before a failed call is tried again.
final class SecretReads: Sendable {
    private typealias Answer = Task<Result<JSONValue, KubernetesError>, Never>

    private struct Read {
        let begun: ContinuousClock.Instant
        let answer: Answer
    }

    private static let lifetime = Duration.milliseconds(800)

    private let client: KubernetesClient
    private let reads = Mutex<[SecretReference: Read]>([:])

    init(_ client: KubernetesClient) {
        self.client = client
    }

    /// The Secret's object.
    func secret(_ reference: SecretReference) async throws(KubernetesError) -> JSONValue {
        let answer = reads.withLock { reads in
            reads = reads.filter { .now - $0.value.begun < Self.lifetime }
            if let read = reads[reference] { return read.answer }
            let answer = Answer { [client] in
                do throws(KubernetesError) {
                    return .success(try await client.call(.get(APIPath.secret(reference.namespace, reference.name))))
                } catch {
                    return .failure(error)
                }
            }
            reads[reference] = Read(begun: .now, answer: answer)
            return answer
        }
        return try await answer.value.get()
    }
}
