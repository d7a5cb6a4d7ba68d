/// Why a device is not erased.
public struct Refusal: Sendable, Hashable {
    /// Which rule.
    public let code: Code
    /// What was found.
    public let message: String
    /// What to do about it.
    public let remedy: String

    /// The rules.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        // No flag lifts these.

        /// The path is not a block device.
        case notABlockDevice = "not-a-block-device"
        /// A mapping: what is below it has to be named.
        case mapping
        /// It carries a directory of the system.
        case system
        /// It or something on it is mounted.
        case mounted
        /// It or something on it is swap space in use.
        case swap
        /// It is a member of a software RAID that runs.
        case raidMember = "raid-member"
        /// A bcache device stands on it.
        case bcache
        /// Somebody uses it through another device node of the same disk.
        case otherPath = "other-path"
        /// An initiator has reserved it.
        case reserved
        /// It is a path of a multipath device.
        case multipath
        /// It has a holder that nacre-disk cannot remove.
        case held
        /// Something on it stands on other disks, too.
        case spansDisks = "spans-disks"
        /// A mapping on it is open.
        case open
        /// A running ceph-osd holds it.
        case runningOSD = "running-osd"
        /// The kernel or the device refuses writes.
        case readOnly = "read-only"
        /// It could not be read, so its content is unknown.
        case unreadable
        /// Its zones cannot be overwritten in place.
        case zoned
        /// What it says of its owner contradicts itself.
        case contradiction
        /// A partition that the kernel sees in the data of an OSD.
        case phantomPartition = "phantom-partition"
        /// It is smaller than anything we can judge.
        case tooSmall = "too-small"
        /// The device does not support the requested method.
        case unsupportedMethod = "unsupported-method"
        /// It is not what it was when the plan was made.
        case changed
        /// Another disk that was named with it cannot be erased.
        case together
        /// What is to be erased could not be saved before.
        case backup

        // These are lifted by naming what is to be lost.

        /// It belongs to a cluster that was not named.
        case foreignCluster = "foreign-cluster"
        /// It belongs to an OSD whose cluster is not known.
        case unknownOSD = "unknown-osd"
        /// It holds something that is not Ceph's.
        case content
    }

    /// Whether naming what is to be lost lifts it.
    public var canBeNamed: Bool { [.foreignCluster, .unknownOSD, .content].contains(code) }

    /// Why, and what to do.
    public init(_ code: Code, _ message: String, remedy: String) {
        self.code = code
        self.message = message
        self.remedy = remedy
    }

    /// One sentence: `mounted at '/srv' through sda2; unmount it first`.
    public var text: String { "\(message); \(remedy)" }
}
