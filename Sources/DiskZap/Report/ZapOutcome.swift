public import BlockDevices

/// What became of a zap.
public struct ZapOutcome: Sendable {
    /// How it ended.
    public enum State: Sendable, Hashable {
        /// Everything is erased and was read back.
        case clean
        /// Nothing was written.
        case refused([Refusal])
        /// It was asked to stop; the next zap takes it up.
        case interrupted
        /// Something could not be done; what it was.
        case failed(String)
        /// Everything was written, but the read-back found these.
        case leftovers([String])
    }

    /// The device as it was named.
    public let path: String
    /// Who it is.
    public let identity: DiskIdentity
    /// How it ended.
    public let state: State
    /// What was done, in order.
    public let steps: [String]
    /// How much was written or deallocated, in bytes.
    public let bytesErased: UInt64
    /// How much was read back, in bytes.
    public let bytesVerified: UInt64
    /// How long it took.
    public let duration: Duration
    /// Where the erased headers were saved.
    public let backup: String?

    /// Whether the device is as it should be.
    public var isClean: Bool { state == .clean }

    /// Whether it was refused because its headers could not be saved.
    public var isUnsaved: Bool {
        guard case .refused(let refusals) = state else { return false }
        return refusals.contains { $0.code == .backup }
    }

    /// For people.
    public var summary: String {
        switch state {
        case .clean: "clean"
        case .refused(let refusals): "refused: " + refusals.map(\.text).joined(separator: "; ")
        case .interrupted: "interrupted; run it again to finish"
        case .failed(let reason): "failed: \(reason)"
        case .leftovers(let found): "not clean: " + found.joined(separator: ", ")
        }
    }
}
