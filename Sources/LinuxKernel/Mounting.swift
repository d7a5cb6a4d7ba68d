internal import ExactText
internal import Glibc
internal import SystemPackage

/// Mount options: the kernel's flags, and the remaining options for the file system.
public struct MountOptions: Sendable, Hashable {
    /// `MS_…` bits.
    public var flags: UInt
    /// Options for the file system, comma separated.
    public var data: String

    /// Splits options as mount(8) knows them.
    ///
    /// `_netdev`, `defaults`, `nofail` and `x-…` are only for mount(8) and systemd and are dropped.
    public init(_ options: [String]) {
        flags = 0
        var rest: [String] = []
        for option in options.flatMap({ $0.parts(at: ",", omittingEmpty: true) }) where !option.isEmpty {
            if let bit = Self.bits[option] {
                flags |= bit
            } else if let bit = Self.clearing[option] {
                flags &= ~bit
            } else if !Self.forOthers.contains(option), !option.startsExactly(with: "x-") {
                rest.append(option)
            }
        }
        data = rest.joined(separator: ",")
    }

    /// Whether nothing may be written.
    public var isReadOnly: Bool { flags & Self.readOnly != 0 }

    static let readOnly: UInt = 1

    private static let bits: [String: UInt] = [
        "ro": readOnly, "nosuid": 2, "nodev": 4, "noexec": 8, "sync": 16, "dirsync": 128,
        "noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21, "strictatime": 1 << 24, "lazytime": 1 << 25,
    ]
    private static let clearing: [String: UInt] = [
        "rw": readOnly, "suid": 2, "dev": 4, "exec": 8, "async": 16, "atime": 1024, "diratime": 2048,
        "norelatime": 1 << 21, "nostrictatime": 1 << 24, "nolazytime": 1 << 25,
    ]
    private static let forOthers: Set<String> = ["_netdev", "defaults", "nofail", "auto", "noauto", "user", "nouser"]
}

/// Nacre's internal mounts, at its own paths; `MountPlace` is for paths that others give.
///
/// See: mount(2), umount2(2).
public enum Mounting {
    static let bindFlag: UInt = 4096
    static let remountFlag: UInt = 32

    /// Mounts `source` at `target`.
    public static func mount(
        _ source: String,
        at target: String,
        fileSystem: String,
        options: MountOptions
    ) throws(KernelError) {
        let result = Glibc.mount(source, target, fileSystem, options.flags, options.data)
        try checked("mount", "\(source) on \(target)", result)
    }

    /// Unmounts `target`; EBUSY while it is in use.
    public static func unmount(_ target: String) throws(KernelError) {
        try checked("umount2", target, umount2(target, CInt(UMOUNT_NOFOLLOW)))
    }

    /// Detaches the mount at `target` now; it ends with its last user.
    public static func detach(_ target: String) throws(KernelError) {
        let flags = CInt(UMOUNT_NOFOLLOW) | CInt(MNT_DETACH)
        try checked("umount2", "\(target) (detach)", umount2(target, flags))
    }
}
