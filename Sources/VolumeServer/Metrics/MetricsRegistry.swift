internal import Synchronization

/// Counters, gauges and histograms, served as Prometheus text.
package final class MetricsRegistry: Sendable {
    /// Names and values that tell series of one metric apart.
    package typealias Labels = [(String, String)]

    /// A number that others read.
    package final class Value: Sendable {
        private let number = Mutex(0.0)

        /// Adds `amount`.
        package func add(_ amount: Double) { number.withLock { $0 += amount } }

        /// Makes it `value`.
        package func set(_ value: Double) { number.withLock { $0 = value } }

        var current: Double { number.withLock { $0 } }
    }

    /// Durations in seconds, by fixed limits.
    package final class Histogram: Sendable {
        /// The limits of the buckets, in seconds.
        package static let limits = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

        struct State: Sendable {
            var counts = [UInt64](repeating: 0, count: limits.count)
            var count: UInt64 = 0
            var sum = 0.0
        }

        private let state = Mutex(State())

        /// Counts one duration.
        package func record(_ seconds: Double) {
            state.withLock { state in
                if let index = Self.limits.firstIndex(where: { seconds <= $0 }) { state.counts[index] += 1 }
                state.count += 1
                state.sum += seconds
            }
        }

        var current: State { state.withLock { $0 } }
    }

    enum Kind: String {
        case counter, gauge, histogram
    }

    enum Series: Sendable {
        case value(Value)
        case histogram(Histogram)
        case pull(@Sendable () -> Double)
    }

    struct Family: Sendable {
        var kind: Kind
        var series: [(labels: String, series: Series)] = []
    }

    struct State: Sendable {
        var families: [String: Family] = [:]
        var help: [String: String] = [:]
    }

    private let state = Mutex(State())

    /// An empty registry.
    package init() {}

    /// Says what a metric is, in one sentence.
    package func describe(_ name: String, _ help: String) {
        state.withLock { $0.help[Self.sanitized(name)] = help }
    }

    /// The counter of that name and those labels.
    package func counter(_ name: String, _ labels: Labels = []) -> Value { value(.counter, name, labels) }

    /// The gauge of that name and those labels.
    package func gauge(_ name: String, _ labels: Labels = []) -> Value { value(.gauge, name, labels) }

    /// The histogram of that name and those labels.
    package func histogram(_ name: String, _ labels: Labels = []) -> Histogram {
        let series = find(.histogram, name, labels) { .histogram(Histogram()) }
        guard case .histogram(let histogram) = series else { return Histogram() }
        return histogram
    }

    /// Adds a gauge whose value is read at each scrape; a second one with the same labels replaces it.
    ///
    /// - Parameters:
    ///   - name: `nacre_pool_queue_length`.
    ///   - help: One sentence.
    ///   - labels: What tells it from others of that name.
    ///   - read: Must not block.
    package func registerGauge(
        _ name: String,
        _ help: String,
        _ labels: Labels = [],
        read: @escaping @Sendable () -> Double
    ) {
        describe(name, help)
        remove(name, labels)
        _ = find(.gauge, name, labels) { .pull(read) }
    }

    /// Adds a counter whose value is read at each scrape; a second one with the same labels replaces it.
    ///
    /// - Parameters:
    ///   - name: `nacre_trash_removed_total`.
    ///   - help: One sentence.
    ///   - labels: What tells it from others of that name.
    ///   - read: Must not block, and must not decrease, except to 0 when the count starts again.
    package func registerCounter(
        _ name: String,
        _ help: String,
        _ labels: Labels = [],
        read: @escaping @Sendable () -> Double
    ) {
        describe(name, help)
        remove(name, labels)
        _ = find(.counter, name, labels) { .pull(read) }
    }

    /// Takes a series away.
    package func remove(_ name: String, _ labels: Labels) {
        let rendered = Self.rendered(labels)
        state.withLock { $0.families[Self.sanitized(name)]?.series.removeAll { $0.labels == rendered } }
    }

    var current: State { state.withLock { $0 } }

    private func value(_ kind: Kind, _ name: String, _ labels: Labels) -> Value {
        guard case .value(let value) = find(kind, name, labels, make: { .value(Value()) }) else { return Value() }
        return value
    }

    /// The series, created if it is missing; one that is not served if the name belongs to another kind of metric.
    private func find(_ kind: Kind, _ name: String, _ labels: Labels, make: () -> Series) -> Series {
        let name = Self.sanitized(name)
        let rendered = Self.rendered(labels)
        return state.withLock { state in
            var family = state.families[name] ?? Family(kind: kind)
            guard family.kind == kind else { return make() }
            if let known = family.series.first(where: { $0.labels == rendered }) { return known.series }
            let series = make()
            family.series.append((rendered, series))
            state.families[name] = family
            return series
        }
    }
}
