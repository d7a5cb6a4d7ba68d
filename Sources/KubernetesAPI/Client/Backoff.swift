/// Waiting times between tries: doubling from `first` to `longest`, with random jitter.
package struct Backoff: Sendable {
    /// The first wait.
    package let first: Duration
    /// The longest wait.
    package let longest: Duration
    /// A wait is up to this share longer.
    package let jitter: Double
    private var tries = 0

    /// Puts a schedule together.
    package init(first: Duration, longest: Duration, jitter: Double = 0.2) {
        self.first = first
        self.longest = longest
        self.jitter = jitter
    }

    /// The next wait.
    package mutating func next() -> Duration {
        var random = SystemRandomNumberGenerator()
        return next(using: &random)
    }

    /// The next wait, with the caller's random generator.
    package mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let doublings = min(tries, 30)
        tries += 1
        let wait = min(longest, first * (1 << doublings))
        return wait * (1 + Double.random(in: 0...jitter, using: &random))
    }

    /// Starts from the first wait again.
    package mutating func reset() { tries = 0 }

    /// How often `next` was asked since the start.
    package var count: Int { tries }
}
