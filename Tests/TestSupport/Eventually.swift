public import Testing

/// Waits until `condition` holds; records an issue when it does not in time.
///
/// - Parameters:
///   - what: What is waited for, as a sentence.
///   - limit: How long.
///   - location: Where the issue is recorded.
///   - condition: Asked again and again.
/// - Throws: What `condition` throws.
public func eventually(
    _ what: String,
    within limit: Duration = .seconds(60),
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

/// What a test waited for did not come.
private struct NotWithinLimit: Error, CustomStringConvertible {
    let description: String
}
