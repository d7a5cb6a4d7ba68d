internal import CLinux
internal import ExactText
internal import Glibc

/// The mounts that a process sees: `/proc/self/mountinfo`.
///
/// See: proc(5). Reading it touches none of the file systems in it, so it works when their servers are dead.
public struct MountTable: Sendable {
    /// One line.
    public struct Mount: Sendable, Hashable {
        /// The mount's number.
        public let id: Int
        /// The mount it lies on.
        public let parentID: Int
        /// The device number of its super block; the connection number of a FUSE mount is the minor.
        public let device: DeviceNumber
        /// The directory or file of the file system that is its root; not `/` for bind mounts of a part.
        public let root: String
        /// Where it is.
        public let mountPoint: String
        /// Options of this mount: `ro`, `noatime`.
        public let options: [String]
        /// `ext4`, `xfs`, `fuse.nacre`.
        public let fileSystem: String
        /// The device or name that was mounted.
        public let source: String
        /// Options of the super block.
        public let superOptions: [String]

        /// Whether nothing can be written through this mount.
        public var isReadOnly: Bool { options.contains("ro") || superOptions.contains("ro") }
    }

    /// In the kernel's order.
    public let mounts: [Mount]

    /// Reads the text of a mountinfo file; lines that are not understood are left out.
    public init(text: String) {
        mounts = text.parts(at: "\n").compactMap(Self.parse)
    }

    /// The mounts of this process.
    public static func current() throws(KernelError) -> MountTable {
        MountTable(text: try KernelFile.text("/proc/self/mountinfo"))
    }

    /// The mount that one sees at `path`, if `path` itself is a mount point.
    public func mount(at path: String) -> Mount? {
        let here = mounts.filter { $0.mountPoint.isExactly(path) }
        // Of mounts on top of each other, the one on which none of the others lies.
        return here.last { top in !here.contains { $0.parentID == top.id } } ?? here.last
    }

    /// What is mounted over a directory above a mount, so that no path leads to it; `nil` if nothing is.
    ///
    /// A mount lies on its parent, and that on its own: what is above its path and not among these hides it.
    public func mount(hiding mount: Mount) -> Mount? {
        var carriers: Set<Int> = [mount.id]
        var next = mount.parentID
        while carriers.insert(next).inserted, let parent = mounts.first(where: { $0.id == next }) {
            next = parent.parentID
        }
        return mounts.last { mount.mountPoint.isBelow($0.mountPoint) && !carriers.contains($0.id) }
    }

    /// This process's mount namespace, in which alone a mount's number says something: `mnt:[4026531841]:4294967330`.
    ///
    /// The first number is given to another namespace when this one has ended. The second is that of the mount at `/`, which
    /// no other mount ever has (STATX_MNT_ID_UNIQUE); it is missing where the kernel does not tell it, before 6.8.
    public static var namespace: String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink("/proc/self/ns/mnt", &buffer, buffer.count)
        guard count > 0 else { return nil }
        let name = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return root.map { "\(name):\($0)" } ?? name
    }

    /// Whether `namespace` is never another's.
    public static var isNamespaceUnique: Bool { root != nil }

    /// The number of the mount at `/` that no other mount ever has.
    private static var root: UInt64? {
        var number: UInt64 = 0
        return clinux_unique_mount_number("/", &number) == 0 ? number : nil
    }

    /// The mounts that lie below a directory.
    public func mounts(below directory: String) -> [Mount] {
        mounts.filter { $0.mountPoint.isBelow(directory) }
    }

    /// All mounts of one super block, binds included.
    public func mounts(of device: DeviceNumber) -> [Mount] {
        mounts.filter { $0.device == device }
    }

    private static func parse(_ line: String) -> Mount? {
        let fields = line.parts(at: " ")
        guard fields.count >= 10, let dash = fields[6...].firstIndex(of: "-"), fields.count > dash + 3,
            let id = Int(fields[0]), let parentID = Int(fields[1]), let device = DeviceNumber(parsing: fields[2])
        else { return nil }
        return Mount(
            id: id,
            parentID: parentID,
            device: device,
            root: unescape(fields[3]),
            mountPoint: unescape(fields[4]),
            options: fields[5].parts(at: ",", omittingEmpty: true),
            fileSystem: fields[dash + 1],
            source: unescape(fields[dash + 2]),
            superOptions: fields[dash + 3].parts(at: ",", omittingEmpty: true)
        )
    }

    /// Space, tab, line feed, backslash and `#` stand as three octal digits.
    private static func unescape(_ field: String) -> String {
        guard field.utf8.contains(UInt8(ascii: "\\")) else { return field }
        let bytes = Array(field.utf8)
        var plain: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let digits = bytes[(index + 1)...].prefix(3)
            if bytes[index] == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                plain.append(value)
                index += 4
            } else {
                plain.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }
}
