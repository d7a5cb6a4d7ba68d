internal import Volumes

/// Does the same for each of many, some at once; the answers are in the order of the items.
///
/// After the first failure no other one is begun, and those under way are waited for.
///
/// - Parameters:
///   - items: What for.
///   - width: How many at once.
///   - body: What is done.
/// - Returns: The answers.
/// - Throws: The first failure.
func atOnce<Item: Sendable, Answer: Sendable>(
    _ items: [Item],
    width: Int,
    _ body: @escaping @Sendable (Item) async throws(VolumeError) -> Answer
) async throws(VolumeError) -> [Answer] {
    let outcome: Result<[Answer], VolumeError> = await withTaskGroup(of: Indexed<Answer>.self) { group in
        var answers = [Answer?](repeating: nil, count: items.count)
        var failure: VolumeError?
        var next = 0
        var running = 0
        while true {
            while failure == nil, next < items.count, running < width {
                let index = next
                group.addTask {
                    do throws(VolumeError) {
                        return Indexed(index: index, outcome: .success(try await body(items[index])))
                    } catch {
                        return Indexed(index: index, outcome: .failure(error))
                    }
                }
                next += 1
                running += 1
            }
            guard let answer = await group.next() else { break }
            running -= 1
            switch answer.outcome {
            case .success(let value): answers[answer.index] = value
            case .failure(let error): failure = failure ?? error
            }
        }
        return failure.map { .failure($0) } ?? .success(answers.compactMap(\.self))
    }
    return try outcome.get()
}

private struct Indexed<Answer: Sendable>: Sendable {
    let index: Int
    let outcome: Result<Answer, VolumeError>
}
