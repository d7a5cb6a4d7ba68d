internal import CFuse
internal import Glibc
internal import LinuxKernel
internal import SystemPackage

/// A libfuse session over a mount that we make ourselves, so that its errors have names and no fusermount is needed.
struct FuseSession {
    private let session: OpaquePointer
    private let system: ImageFileSystem

    /// The file system's type in mountinfo.
    static let fileSystem = "fuse.nacre"

    init(_ system: ImageFileSystem) throws(MappingError) {
        self.system = system
        var operations = ImageFileSystem.operations()
        let name = strdup("nacre")
        defer { free(name) }
        var words = [name]
        let session = words.withUnsafeMutableBufferPointer { words in
            var arguments = fuse_args(argc: 1, argv: words.baseAddress, allocated: 0)
            return fuse_session_new(
                &arguments,
                &operations,
                MemoryLayout<fuse_lowlevel_ops>.size,
                Unmanaged.passUnretained(system).toOpaque()
            )
        }
        guard let session else { throw MappingError(.other, "cannot start a FUSE session (fuse_session_new)") }
        self.session = session
    }

    /// Opens a connection and mounts it.
    ///
    /// Implements `fuse_session_mount` with an open descriptor, `/dev/fd/N`.
    func mount(at mountPoint: String) throws(KernelError) {
        let descriptor = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw KernelError("open", Errno(rawValue: errno), "/dev/fuse") }
        var options = MountOptions(["nosuid", "nodev", "noexec", "noatime"])
        options.data = "fd=\(descriptor),rootmode=40000,user_id=0,group_id=0,allow_other"
        try Mounting.mount("nacre", at: mountPoint, fileSystem: Self.fileSystem, options: options)
        guard fuse_session_mount(session, "/dev/fd/\(descriptor)") == 0 else {
            try Mounting.detach(mountPoint)
            throw KernelError("fuse_session_mount", .ioError, mountPoint)
        }
    }

    /// Answers requests until the connection ends.
    ///
    /// Few threads are enough since none of them waits; they are kept, so that none is made while memory is short.
    func run() {
        let configuration = fuse_loop_cfg_create()
        defer { fuse_loop_cfg_destroy(configuration) }
        fuse_loop_cfg_set_clone_fd(configuration, 1)
        fuse_loop_cfg_set_max_threads(configuration, 8)
        fuse_loop_cfg_set_idle_threads(configuration, 8)
        withExtendedLifetime(system) { _ = fuse_session_loop_mt(session, configuration) }
    }
}
