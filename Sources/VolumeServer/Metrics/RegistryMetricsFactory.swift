package import CoreMetrics

/// Connects swift-metrics to a registry, for libraries that report metrics; it is passed to `MetricsSystem.bootstrap`.
package struct RegistryMetricsFactory: MetricsFactory {
    private let registry: MetricsRegistry

    /// Sends everything to `registry`.
    package init(_ registry: MetricsRegistry) {
        self.registry = registry
    }

    /// Makes a counter.
    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        ValueHandler(registry.counter(label, dimensions)) { [registry] in registry.remove(label, dimensions) }
    }

    /// Makes a counter of fractions.
    package func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        ValueHandler(registry.counter(label, dimensions)) { [registry] in registry.remove(label, dimensions) }
    }

    /// Makes a gauge.
    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        ValueHandler(registry.gauge(label, dimensions)) { [registry] in registry.remove(label, dimensions) }
    }

    /// Makes a gauge, or a histogram when values are to be aggregated.
    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else {
            return ValueHandler(registry.gauge(label, dimensions)) { [registry] in registry.remove(label, dimensions) }
        }
        return HistogramHandler(registry.histogram(label, dimensions)) { [registry] in
            registry.remove(label, dimensions)
        }
    }

    /// Makes a histogram of seconds.
    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        HistogramHandler(registry.histogram(label, dimensions)) { [registry] in registry.remove(label, dimensions) }
    }

    /// Takes a counter away.
    package func destroyCounter(_ handler: any CounterHandler) { (handler as? ValueHandler)?.remove() }

    /// Takes a counter of fractions away.
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
        (handler as? ValueHandler)?.remove()
    }

    /// Takes a gauge away.
    package func destroyMeter(_ handler: any MeterHandler) { (handler as? ValueHandler)?.remove() }

    /// Takes a recorder away.
    package func destroyRecorder(_ handler: any RecorderHandler) {
        (handler as? ValueHandler)?.remove()
        (handler as? HistogramHandler)?.remove()
    }

    /// Takes a timer away.
    package func destroyTimer(_ handler: any TimerHandler) { (handler as? HistogramHandler)?.remove() }
}

private final class ValueHandler: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler {
    let value: MetricsRegistry.Value
    let remove: @Sendable () -> Void

    init(_ value: MetricsRegistry.Value, remove: @escaping @Sendable () -> Void) {
        self.value = value
        self.remove = remove
    }

    func increment(by amount: Int64) { value.add(Double(amount)) }
    func increment(by amount: Double) { value.add(amount) }
    func decrement(by amount: Double) { value.add(-amount) }
    func set(_ number: Int64) { value.set(Double(number)) }
    func set(_ number: Double) { value.set(number) }
    func record(_ number: Int64) { value.set(Double(number)) }
    func record(_ number: Double) { value.set(number) }
    func reset() { value.set(0) }
}

private final class HistogramHandler: TimerHandler, RecorderHandler {
    let histogram: MetricsRegistry.Histogram
    let remove: @Sendable () -> Void

    init(_ histogram: MetricsRegistry.Histogram, remove: @escaping @Sendable () -> Void) {
        self.histogram = histogram
        self.remove = remove
    }

    func recordNanoseconds(_ duration: Int64) { histogram.record(Double(duration) / 1e9) }
    func record(_ value: Int64) { histogram.record(Double(value)) }
    func record(_ value: Double) { histogram.record(value) }
}
