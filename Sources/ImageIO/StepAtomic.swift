internal import Glibc
internal import Synchronization

#if DEBUG
    /// Lets a test order each access of a thread to the atomics that requests depend on (`Tests/ImageIOTests`).
    final class EngineSteps {
        /// Called before an access to the atomic at this place, with whether it only reads; returns when it may be made.
        let before: (UnsafeRawPointer, Bool) -> Void
        /// Called after it with what the atomic had before, what it has now, and what the thread was told.
        let after: (UnsafeRawPointer, UInt64, UInt64, UInt64) -> Void

        init(
            before: @escaping (UnsafeRawPointer, Bool) -> Void,
            after: @escaping (UnsafeRawPointer, UInt64, UInt64, UInt64) -> Void
        ) {
            (self.before, self.after) = (before, after)
        }

        private static let key: pthread_key_t = {
            var key = pthread_key_t()
            pthread_key_create(&key, nil)
            return key
        }()

        /// What orders the calling thread's accesses, if anything does; whoever sets it keeps it.
        static var ofThisThread: EngineSteps? {
            get {
                pthread_getspecific(key).map { Unmanaged<EngineSteps>.fromOpaque($0).takeUnretainedValue() }
            }
            set { pthread_setspecific(key, newValue.map { UnsafeRawPointer(Unmanaged.passUnretained($0).toOpaque()) }) }
        }
    }

    /// An atomic on which requests depend; each access is a step that a test can stop at.
    ///
    /// It has `Atomic`'s calls and orderings. A release build has `Atomic` itself. A `UInt64` has the same layout in both, for
    /// memory that servers share.
    struct StepAtomic<Value: FixedWidthInteger & Sendable>: ~Copyable, Sendable {
        private let bits: Atomic<UInt64>

        init(_ initial: Value) { bits = Atomic(UInt64(truncatingIfNeeded: initial)) }

        func load(ordering: AtomicLoadOrdering) -> Value {
            step(isLoad: true) {
                switch ordering {
                case .relaxed: bits.load(ordering: .relaxed)
                case .acquiring: bits.load(ordering: .acquiring)
                default: bits.load(ordering: .sequentiallyConsistent)
                }
            }
        }

        func store(_ desired: Value, ordering: AtomicStoreOrdering) {
            let desired = UInt64(truncatingIfNeeded: desired)
            _ = step {
                switch ordering {
                case .relaxed: bits.store(desired, ordering: .relaxed)
                case .releasing: bits.store(desired, ordering: .releasing)
                default: bits.store(desired, ordering: .sequentiallyConsistent)
                }
                return 0
            }
        }

        func exchange(_ desired: Value, ordering: AtomicUpdateOrdering) -> Value {
            let desired = UInt64(truncatingIfNeeded: desired)
            return step {
                ordering == .acquiringAndReleasing
                    ? bits.exchange(desired, ordering: .acquiringAndReleasing)
                    : bits.exchange(desired, ordering: .sequentiallyConsistent)
            }
        }

        func compareExchange(
            expected: Value,
            desired: Value,
            ordering: AtomicUpdateOrdering
        ) -> (exchanged: Bool, original: Value) {
            let (expected, desired) = (UInt64(truncatingIfNeeded: expected), UInt64(truncatingIfNeeded: desired))
            let original = step {
                ordering == .acquiringAndReleasing
                    ? bits.compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
                        .original
                    : bits.compareExchange(expected: expected, desired: desired, ordering: .sequentiallyConsistent)
                        .original
            }
            return (UInt64(truncatingIfNeeded: original) == expected, original)
        }

        /// As the strong one, so that a test can repeat an execution.
        func weakCompareExchange(
            expected: Value,
            desired: Value,
            ordering: AtomicUpdateOrdering
        ) -> (exchanged: Bool, original: Value) {
            compareExchange(expected: expected, desired: desired, ordering: ordering)
        }

        func add(_ operand: Value, ordering: AtomicUpdateOrdering) -> (oldValue: Value, newValue: Value) {
            let operand = UInt64(truncatingIfNeeded: operand)
            let old = step {
                ordering == .relaxed
                    ? bits.wrappingAdd(operand, ordering: .relaxed).oldValue
                    : bits.wrappingAdd(operand, ordering: .sequentiallyConsistent).oldValue
            }
            return (old, old &+ Value(truncatingIfNeeded: operand))
        }

        func wrappingAdd(_ operand: Value, ordering: AtomicUpdateOrdering) {
            change(by: UInt64(truncatingIfNeeded: operand), ordering)
        }

        func wrappingSubtract(_ operand: Value, ordering: AtomicUpdateOrdering) {
            change(by: 0 &- UInt64(truncatingIfNeeded: operand), ordering)
        }

        /// Tells the thread nothing.
        private func change(by operand: UInt64, _ ordering: AtomicUpdateOrdering) {
            _ = step {
                if ordering == .relaxed {
                    bits.wrappingAdd(operand, ordering: .relaxed)
                } else {
                    bits.wrappingAdd(operand, ordering: .sequentiallyConsistent)
                }
                return 0
            }
        }

        private func step(isLoad: Bool = false, _ access: () -> UInt64) -> Value {
            guard let steps = EngineSteps.ofThisThread else { return Value(truncatingIfNeeded: access()) }
            return withUnsafePointer(to: bits) { place in
                steps.before(place, isLoad)
                let old = bits.load(ordering: .relaxed)
                let told = access()
                steps.after(place, old, bits.load(ordering: .relaxed), told)
                return Value(truncatingIfNeeded: told)
            }
        }
    }
#else
    typealias StepAtomic = Atomic
#endif

/// Copies a request's bytes; a test can stop half-way, as a kill can.
func copyInSteps(_ source: UnsafeMutableRawPointer, to place: UnsafeMutableRawPointer, count: Int) {
    #if DEBUG
        if let steps = EngineSteps.ofThisThread {
            steps.before(place, false)
            place.copyMemory(from: source, byteCount: count / 2)
            steps.before(place, false)
            return (place + count / 2).copyMemory(from: source + count / 2, byteCount: count - count / 2)
        }
    #endif
    place.copyMemory(from: source, byteCount: count)
}
