public import Testing

/// Waits until `condition` holds; records an issue if it does not hold in time.
///
/// - Parameters:
///   - what: The expected state, as a sentence.
///   - limit: How long.
///   - location: Where the issue is recorded.
///   - condition: Evaluated repeatedly.
/// - Throws: What `condition` throws.
public func eventually(
    _ what: String,
    within limit: Duration = .seconds(240),
    at location: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard .now < end else {
            throw NotWithinLimit(description: "not within \(limit): \(what), \(location)")
        }
        try await Task.sleep(for: .milliseconds(50))
    }
}

/// The expected state was not reached.
private struct NotWithinLimit: Error, CustomStringConvertible {
    let description: String
}
