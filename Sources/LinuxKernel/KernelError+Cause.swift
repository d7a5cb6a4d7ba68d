internal import ExactText
internal import Glibc
internal import SystemPackage

/// What an errno means where it came back: one number means many things, and the call tells which.
extension KernelError {
    /// The cause in plain words, such as `it is in use`; nothing where the number says no more than that it failed.
    ///
    /// Fits behind the name of what the call was for.
    public var cause: String? { ofMappings ?? ofMounts ?? ofDevices ?? ofAnything }

    /// Why, for a sentence that says itself what it is about: `it is in use (DM_DEV_REMOVE: EBUSY)`.
    public var words: String { "\(cause ?? "\(errno)".lowercased()) (\(call): \(errnoName))" }

    /// See: dm-ioctl.c, drivers/md.
    private var ofMappings: String? {
        guard call.startsExactly(with: "DM_") else { return nil }
        switch (call, errno) {
        case ("DM_DEV_CREATE", .resourceBusy), ("DM_DEV_RENAME", .resourceBusy):
            return "there is a mapping of that name already"
        case ("DM_DEV_REMOVE", .resourceBusy): return "it is open"
        case ("DM_TABLE_LOAD", .resourceBusy): return "what it would stand on is claimed by something else"
        case ("DM_TABLE_LOAD", .invalidArgument):
            return
                "the kernel does not take its table: it does not know the target, or the place is not on the device below"
        case ("DM_TABLE_LOAD", .noSuchAddressOrDevice), ("DM_TABLE_LOAD", .operationNotSupportedByDevice):
            return "what it would stand on is not there"
        case (_, .noSuchAddressOrDevice): return "there is no such mapping"
        case (_, .invalidArgument): return "the kernel does not take the name, or it is not in a state for this"
        default: return nil
        }
    }

    /// See: mount(2), umount2(2).
    private var ofMounts: String? {
        switch (call, errno) {
        case ("mount", .invalidArgument): "its super block or an option is not what the kernel wants, which dmesg tells"
        case ("mount", .operationNotSupportedByDevice): "this kernel does not know the file system"
        case ("mount", .resourceBusy): "something else has the device claimed, or it is mounted with other options"
        case ("mount", .permissionDenied): "the device is read-only, or this process may not mount here"
        case ("umount2", .invalidArgument): "nothing is mounted there"
        case ("umount2", .resourceBusy): "a process uses what is mounted there"
        default: nil
        }
    }

    /// See: block/ioctl.c, block/partitions/core.c, drivers/block/loop.c.
    private var ofDevices: String? {
        switch (call, errno) {
        case ("BLKRRPART", .resourceBusy): return "a partition of it is in use"
        case ("BLKRRPART", .invalidArgument): return "it cannot have partitions"
        case ("BLKPG_ADD_PARTITION", .resourceBusy): return "it overlaps one that the kernel has"
        case ("BLKPG_DEL_PARTITION", .resourceBusy), ("BLKPG_RESIZE_PARTITION", .resourceBusy): return "it is in use"
        case ("BLKPG_ADD_PARTITION", .invalidArgument): return "it ends behind the disk, or is not on whole sectors"
        case ("LOOP_CONFIGURE", .invalidArgument): return "the kernel cannot make a block device of such a file"
        case ("LOOP_CONFIGURE", .badFileDescriptor): return "its file is not open as it should be"
        case ("LOOP_CONFIGURE", .resourceBusy), ("LOOP_CTL_GET_FREE", _): return "no loop device is free"
        case ("BLKDISCARD", .notSupported), ("BLKSECDISCARD", .notSupported):
            return "the device cannot discard"
        case (let call, .invalidArgument)
        where ["read", "write", "pread", "pwrite"].contains(call) && subject.startsExactly(with: "/dev/"):
            return "the device does not take a request of that place and length"
        case (let call, .inappropriateIOCTLForDevice) where call.startsExactly(with: "BLK"):
            return "it is not a block device"
        case (let call, .invalidArgument) where call.startsExactly(with: "BLK"):
            return "the device does not take that request"
        default: return nil
        }
    }

    /// What a number means nearly everywhere.
    private var ofAnything: String? { Self.causes[errno.rawValue] }

    private static let causes: [CInt: String] = [
        ENOENT: "there is none",
        ENOTDIR: "what should be a directory on its path is none",
        ELOOP: "it is a symbolic link, or leads through too many",
        EBUSY: "it is in use",
        ETXTBSY: "a program runs from it",
        EIO: "the device, or what it gets its data from, answers with errors, which dmesg tells",
        ENOSPC: "there is no space left",
        EDQUOT: "its quota is used up",
        EFBIG: "it would be larger than its file system or a limit of this process allows",
        EROFS: "it is read-only",
        EACCES: "this process may not use it",
        EPERM: "this process may not do that, it has to be root with all capabilities",
        ENXIO: "there is no device behind it, or none any more",
        ENODEV: "there is no such device, or this kernel has no driver for it",
        ETIMEDOUT: "it did not answer in time",
        ECONNREFUSED: "nobody listens there",
        EOPNOTSUPP: "the device or its driver cannot do that",
        ENOTTY: "it is no device that can do that",
        ENOMEM: "the kernel has no memory left for it",
        EMFILE: "this process has too many files open",
        ENFILE: "this machine has too many files open",
        ENOTEMPTY: "it is not empty",
        EISDIR: "it is a directory",
        EEXIST: "it is there already",
        ENAMETOOLONG: "its name is too long",
        EPIPE: "who should read it has ended",
        ESTALE: "it is another one by now",
        EILSEQ: "it cannot be understood",
        ENOTBLK: "it is not a block device",
        EUCLEAN: "its file system is damaged",
        EBADMSG: "a checksum of its file system is wrong",
        ENOMEDIUM: "there is no medium in it",
        EREMOTEIO: "the device failed to carry the request out, which dmesg tells",
        ENOLINK: "the path to the device is down",
        EBADE: "another initiator has reserved it (a reservation conflict)",
        ENODATA: "the device cannot read its medium there",
        ENOTCONN: "what should serve it is gone",
        ESHUTDOWN: "what served it has shut down",
    ]
}
