internal import CLinux
internal import ExactText
internal import Glibc
internal import SystemPackage

/// A place in the file system for mounts and unmounts, opened without following symbolic links.
///
/// Every directory of the path is opened by itself, so a link that is created meanwhile makes the call fail and never
/// redirects it. All operations use the opened descriptor.
///
/// See: openat(2), O_PATH and O_NOFOLLOW; works on kernels without openat2(2) and move_mount(2) as well.
public struct MountPlace: ~Copyable, Sendable {
    /// The path, absolute and without links.
    public let path: String
    private let parent: OwnedDescriptor
    private let name: String

    /// Walks to the parent of `path`.
    ///
    /// - Parameters:
    ///   - path: As `KernelFile.canonical` returns it: absolute, without links, `.` and `..`.
    ///   - mode: If given, missing directories of the path are created with this mode.
    /// - Throws: `KernelError`; `ENOENT` if a directory of the path is missing, `ELOOP` or `ENOTDIR` if it is a link.
    public init(_ path: String, makingParents mode: UInt32? = nil) throws(KernelError) {
        let parts = path.parts(at: "/", omittingEmpty: true)
        guard path.startsExactly(with: "/"), let name = parts.last, !parts.containsExactly("."),
            !parts.containsExactly("..")
        else { throw KernelError("openat", .invalidArgument, path) }
        var directory = try OwnedDescriptor(opening: "/", CLINUX_O_PATH | O_DIRECTORY)
        for part in parts.dropLast() {
            if let mode, mkdirat(directory.rawValue, part, mode) != 0, errno != EEXIST, errno != EROFS {
                throw KernelError("mkdirat", Errno(rawValue: errno), path)
            }
            let flags = CLINUX_O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            let next = try checked("openat", path, openat(directory.rawValue, part, flags))
            directory = OwnedDescriptor(adopting: next, subject: path)
        }
        self.path = path
        self.name = name
        parent = directory
    }

    /// The kind of the topmost object at the place; `nil` if there is none.
    public borrowing func kind() throws(KernelError) -> FileKind? {
        var status = stat()
        guard fstatat(parent.rawValue, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return nil }
            let error = KernelError("fstatat", Errno(rawValue: errno), path)
            // A mounted file system on a dead device exists although it returns this error (xfs_vn_getattr).
            if Self.isOfDeadDevice(error) { return .other }
            throw error
        }
        return FileKind(status)
    }

    /// The mount that contains the place: the place's own mount if there is one.
    ///
    /// - Returns: Its id in mountinfo; `nil` if the place does not exist.
    public borrowing func mountID() throws(KernelError) -> Int? {
        let top: OwnedDescriptor
        do throws(KernelError) {
            top = try open()
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
            return nil
        }
        return try top.mountID()
    }

    /// The topmost mount at the place.
    ///
    /// Unlike a search in mountinfo by path, it tells a mount from a hidden one with the same path.
    ///
    /// - Returns: The mount; `nil` if the place is not a mount point.
    public borrowing func mount() throws(KernelError) -> MountTable.Mount? {
        guard let id = try mountID() else { return nil }
        return try MountTable.current().mounts.first { $0.id == id && $0.mountPoint.isExactly(path) }
    }

    /// Creates a directory there; succeeds if it exists.
    public borrowing func makeDirectory(mode: UInt32) throws(KernelError) {
        if mkdirat(parent.rawValue, name, mode) != 0, errno != EEXIST {
            throw KernelError("mkdirat", Errno(rawValue: errno), path)
        }
        guard try kind() == .directory else { throw KernelError("mkdirat", .notDirectory, path) }
    }

    /// Creates an empty file there to mount on; succeeds if it exists.
    public borrowing func makeFile() throws(KernelError) {
        switch try kind() {
        case nil:
            let flags = O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
            let file = openat(parent.rawValue, name, flags, 0o600)
            guard file < 0 else { return _ = close(file) }
            guard errno == EEXIST else { throw KernelError("openat", Errno(rawValue: errno), path) }
            try makeFile()
        case .file, .blockDevice: return
        default: throw KernelError("openat", .fileExists, path)
        }
    }

    /// What is at the place, as far as a mount there would hide it.
    public borrowing func content() throws(KernelError) -> PlaceContent {
        switch try kind() {
        case nil: return .nothing
        case .directory?:
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
            let directory = OwnedDescriptor(
                adopting: try checked("openat", path, openat(parent.rawValue, name, flags)),
                subject: path
            )
            return try KernelFile.names(in: directory.link).isEmpty ? .emptyDirectory : .files
        case .file(bytes: 0)?: return .emptyFile
        case .file?: return .text
        case .symbolicLink?: return .symbolicLink
        case .blockDevice?, .other?: return .special
        }
    }

    /// Removes what `makeDirectory` or `makeFile` left: an empty directory or an empty file.
    ///
    /// - Throws: `KernelError` for anything else; succeeds if nothing is there.
    public borrowing func removeEmpty() throws(KernelError) {
        switch try kind() {
        case nil: return
        case .directory: try removed("rmdir", unlinkat(parent.rawValue, name, AT_REMOVEDIR))
        case .file(bytes: 0): try removed("unlink", unlinkat(parent.rawValue, name, 0))
        default: throw KernelError("unlink", .notPermitted, path)
        }
    }

    private func removed(_ call: String, _ result: CInt) throws(KernelError) {
        guard result != 0, errno != ENOENT else { return }
        throw KernelError(call, Errno(rawValue: errno), path)
    }
}

extension MountPlace {
    /// Mounts `source` here.
    ///
    /// See: mount(2).
    public borrowing func mount(
        _ source: String,
        fileSystem: String,
        options: MountOptions
    ) throws(KernelError) {
        let point = try open()
        let result = Glibc.mount(source, point.link, fileSystem, options.flags, options.data)
        try checked("mount", "\(source) on \(path)", result)
    }

    /// Makes what is at `source` appear here too.
    ///
    /// - Parameters:
    ///   - source: A place; its topmost object is bound.
    ///   - isWanted: Called with the opened object, which is then bound; if it returns false, nothing is bound.
    /// - Throws: `KernelError`; `ESTALE` if it is not the wanted object.
    public borrowing func bind(
        _ source: borrowing MountPlace,
        ifSource isWanted: (MountedThing) throws(KernelError) -> Bool
    ) throws(KernelError) {
        let origin = try source.open()
        guard try isWanted(try origin.thing(source.path)) else {
            throw KernelError("mount", .staleNFSFileHandle, source.path)
        }
        let point = try open()
        let result = Glibc.mount(origin.link, point.link, nil, Mounting.bindFlag, nil)
        try checked("mount", "\(source.path) on \(path)", result)
    }

    /// Changes the flags of the mount here, such as to read-only.
    public borrowing func remountBind(options: MountOptions) throws(KernelError) {
        let top = try open()
        let flags = Mounting.bindFlag | Mounting.remountFlag | options.flags
        try checked("mount", "\(path) (remount)", Glibc.mount(nil, top.link, nil, flags, nil))
    }

    /// Unmounts the topmost mount here; EBUSY while it is in use.
    public borrowing func unmount() throws(KernelError) {
        try checked("umount2", path, umount2("\(parent.link)/\(name)", CInt(UMOUNT_NOFOLLOW)))
    }

    /// Detaches the topmost mount here now; it ends with its last user.
    public borrowing func detach() throws(KernelError) {
        let flags = CInt(UMOUNT_NOFOLLOW) | CInt(MNT_DETACH)
        try checked("umount2", "\(path) (detach)", umount2("\(parent.link)/\(name)", flags))
    }

    private static func isOfDeadDevice(_ error: KernelError) -> Bool {
        [EIO, ENOTCONN, ENODEV, ESHUTDOWN].contains(error.errno.rawValue)
    }

    fileprivate borrowing func open() throws(KernelError) -> OwnedDescriptor {
        let flags = CLINUX_O_PATH | O_NOFOLLOW | O_CLOEXEC
        let top = OwnedDescriptor(
            adopting: try checked("openat", path, openat(parent.rawValue, name, flags)),
            subject: path
        )
        // O_PATH opens a link itself; a mount on it by descriptor could not be unmounted by path.
        do throws(KernelError) {
            guard try top.kind() != .symbolicLink else {
                throw KernelError("openat", .tooManySymbolicLinkLevels, path)
            }
        } catch {
            // A mounted file system on a dead device returns this error and must still be unmounted. A link never
            // returns it.
            guard Self.isOfDeadDevice(error) else { throw error }
        }
        return top
    }
}

/// What is at a place where something is to be mounted.
public enum PlaceContent: Sendable, Hashable {
    /// Nothing.
    case nothing
    /// A directory without entries.
    case emptyDirectory
    /// A file of no bytes.
    case emptyFile
    /// A directory with entries.
    case files
    /// A file of some bytes.
    case text
    /// A symbolic link.
    case symbolicLink
    /// A device, a socket or a pipe.
    case special
}

/// What was opened for a bind.
public struct MountedThing: Sendable, Hashable {
    /// What it is.
    public let kind: FileKind
    /// The device of the file system on which it lies.
    public let device: DeviceNumber
}

extension OwnedDescriptor {
    /// A path to the opened object, independent of its name.
    fileprivate var link: String { "/proc/self/fd/\(rawValue)" }

    fileprivate borrowing func kind() throws(KernelError) -> FileKind { try thing(subject).kind }

    fileprivate borrowing func thing(_ path: String) throws(KernelError) -> MountedThing {
        var status = stat()
        try checked("fstat", path, fstat(rawValue, &status))
        return MountedThing(kind: FileKind(status), device: DeviceNumber(rawValue: UInt64(status.st_dev)))
    }
}
