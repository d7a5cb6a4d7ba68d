internal import ExactText
public import Volumes

/// A place for backups: objects by keys, each written whole or not at all.
///
/// Keys hold letters, digits, `.`, `_`, `-`, `~` and `/` alone.
protocol BackupDestination: Sendable {
    /// As a person names it.
    var name: String { get }

    /// An object's bytes; `nil` if there is none.
    func bytes(of key: String) async throws(VolumeError) -> [UInt8]?

    /// Writes an object, durably; an older one of that key is replaced in one step.
    func put(_ bytes: [UInt8], as key: String) async throws(VolumeError)

    /// All keys that begin so, in any order.
    ///
    /// - Parameter prefix: Ends in `/`.
    /// - Returns: The keys, whole.
    /// - Throws: `VolumeError`.
    func keys(below prefix: String) async throws(VolumeError) -> [String]

    /// The lengths of objects in bytes, by their keys.
    ///
    /// - Parameter prefix: What the keys begin with; ends in `/`.
    /// - Returns: All of them, or those at least whose lengths can be told.
    /// - Throws: `VolumeError`.
    func sizes(below prefix: String) async throws(VolumeError) -> [String: UInt64]

    /// Removes an object; succeeds if there is none.
    func remove(_ key: String) async throws(VolumeError)

    /// Removes half-written objects of processes that were killed, as far as nobody writes them now.
    ///
    /// Called by who has the lock of what lies there.
    ///
    /// - Parameter prefixes: What the objects' keys begin with; each ends in `/`.
    /// - Throws: `VolumeError`.
    func tidy(below prefixes: [String]) async throws(VolumeError)

    /// Takes a lock, or fails at once, or as soon as it is seen that its owner is at work.
    ///
    /// - Parameters:
    ///   - key: The lock.
    ///   - owner: A line about who has it, for others.
    ///   - waiting: Called with what it waits for.
    /// - Returns: The lock.
    /// - Throws: `VolumeError` with `.aborted` if another has it.
    func lock(
        _ key: String,
        for owner: String,
        waiting: @Sendable (String) -> Void
    ) async throws(VolumeError) -> any DestinationLock
}

/// A lock that is held; it is lost when the process ends.
protocol DestinationLock: Sendable {
    /// Throws unless it is surely still held, and for some seconds more.
    func check() async throws(VolumeError)

    /// Gives it back.
    func release() async
}

/// Where backups are, as a person wrote it: `/srv/backups` or `s3://bucket/prefix`.
public enum DestinationName: Sendable, Hashable {
    /// A directory, by its absolute path.
    case directory(String)
    /// A bucket, and what its keys begin with: empty, or with a slash at its end.
    case bucket(String, prefix: String)

    /// Reads one.
    ///
    /// - Throws: `VolumeError` with `.invalidArgument`.
    public init(parsing text: String) throws(VolumeError) {
        guard let rest = text.behind("s3://") else {
            guard !text.contains("://") else {
                throw .invalid("'\(text.printable)' is no place for backups; write a directory, or s3://bucket/prefix")
            }
            guard !text.isEmpty, !text.utf8.contains(0) else { throw .invalid("the directory for backups is empty") }
            self = .directory(text)
            return
        }
        let parts = rest.parts(at: "/", most: 1)
        let bucket = parts[0]
        guard bucket.utf8.count >= 3, bucket.utf8.count <= 63, bucket.utf8.allSatisfy(Self.isPlain) else {
            throw .invalid("'\(bucket.printable)' is no bucket's name; write s3://bucket/prefix")
        }
        let steps = (parts.count > 1 ? parts[1] : "").parts(at: "/", omittingEmpty: true)
        for step in steps where !step.utf8.allSatisfy(Self.isPlain) || step.utf8.allSatisfy({ $0 == UInt8(ascii: ".") })
        {
            throw .invalid(
                "the prefix of '\(text.printable)' may have letters, digits, '.', '_', '-' and '/'; give another one"
            )
        }
        self = .bucket(bucket, prefix: steps.map { $0 + "/" }.joined())
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
