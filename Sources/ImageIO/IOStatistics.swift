internal import Synchronization

/// What an engine counts; the raw values are indexes in the shared memory and never change their meaning.
enum IOCounter: Int, CaseIterable {
    case reads, readBytes, writes, writeBytes, flushes, zeroings, discards
    case acknowledgedEarly, waitedForWrites, waitedForRoom, mergedFlushes, errors
    case successions, writtenAgain, reconnections
    case joinedWrites
}

/// What an engine has done since the image was mapped, by all of its servers.
public struct IOStatistics: Codable, Sendable, Hashable {
    /// Reads, and their bytes.
    public var reads: UInt64 = 0
    /// Bytes read.
    public var readBytes: UInt64 = 0
    /// Writes.
    public var writes: UInt64 = 0
    /// Bytes written.
    public var writeBytes: UInt64 = 0
    /// Flushes asked for.
    public var flushes: UInt64 = 0
    /// Ranges zeroed.
    public var zeroings: UInt64 = 0
    /// Ranges discarded.
    public var discards: UInt64 = 0
    /// Writes that were acknowledged before they were on stable storage.
    public var acknowledgedEarly: UInt64 = 0
    /// Requests that had to wait for an earlier write to the same place.
    public var waitedForWrites: UInt64 = 0
    /// Requests that had to wait until another one had ended.
    public var waitedForRoom: UInt64 = 0
    /// Flushes that sent nothing to the cluster: all writes were stable, or another flush was already waiting for them.
    public var mergedFlushes: UInt64 = 0
    /// Requests that failed.
    public var errors: UInt64 = 0
    /// How often a new server has taken over.
    public var successions: UInt64 = 0
    /// Acknowledged writes that a successor wrote again.
    public var writtenAgain: UInt64 = 0
    /// Connections to the kernel that were made anew.
    public var reconnections: UInt64 = 0
    /// Acknowledged writes that were not sent by themselves: a later write to the same range, or a neighbouring one,
    /// included them.
    public var joinedWrites: UInt64 = 0
    /// Requests under way now.
    public var inFlight = 0
    /// Acknowledged bytes that are not on stable storage now.
    public var unstableBytes: UInt64 = 0

    /// The errno of an acknowledged write that the cluster did not store; `nil` while there was none.
    ///
    /// It stays set for as long as the image is mapped. Every later flush fails, because acknowledged data is lost.
    public var failure: Int32?

    /// Starts at zero.
    public init() {}

    /// Adds what another engine has done.
    public mutating func add(_ other: IOStatistics) {
        reads += other.reads
        readBytes += other.readBytes
        writes += other.writes
        writeBytes += other.writeBytes
        flushes += other.flushes
        zeroings += other.zeroings
        discards += other.discards
        acknowledgedEarly += other.acknowledgedEarly
        waitedForWrites += other.waitedForWrites
        waitedForRoom += other.waitedForRoom
        mergedFlushes += other.mergedFlushes
        errors += other.errors
        successions += other.successions
        writtenAgain += other.writtenAgain
        reconnections += other.reconnections
        joinedWrites += other.joinedWrites
        inFlight += other.inFlight
        unstableBytes += other.unstableBytes
        failure = failure ?? other.failure
    }

    init(_ memory: SharedRequestMemory) {
        func value(_ counter: IOCounter) -> UInt64 { memory.counter(counter).pointee.load(ordering: .relaxed) }
        reads = value(.reads)
        readBytes = value(.readBytes)
        writes = value(.writes)
        writeBytes = value(.writeBytes)
        flushes = value(.flushes)
        zeroings = value(.zeroings)
        discards = value(.discards)
        acknowledgedEarly = value(.acknowledgedEarly)
        waitedForWrites = value(.waitedForWrites)
        waitedForRoom = value(.waitedForRoom)
        mergedFlushes = value(.mergedFlushes)
        errors = value(.errors)
        successions = value(.successions)
        writtenAgain = value(.writtenAgain)
        reconnections = value(.reconnections)
        joinedWrites = value(.joinedWrites)
        let failed = memory.failure.pointee.load(ordering: .acquiring)
        failure = failed == 0 ? nil : Int32(truncatingIfNeeded: failed)
    }
}
