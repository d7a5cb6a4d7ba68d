internal import CFuse
internal import Glibc
internal import ImageIO
internal import ImageMapping
internal import LinuxKernel
internal import RBD
internal import SystemPackage

/// A libfuse session over a connection that is opened and mounted here: this gives precise errors, needs no fusermount,
/// and the connection outlives its server.
///
/// The kernel sends FUSE_INIT only to the first server. The message is kept and replayed to the next server's libfuse;
/// the kernel treats the second answer as one to an interrupted request and drops it. Then the kernel is asked to send
/// again the requests that the dead server had read and not answered (`FUSE_NOTIFY_RESEND`, from 6.9 on).
///
/// Safe to share: it is immutable, and libfuse locks its session.
final class FuseSession: @unchecked Sendable {
    private let session: OpaquePointer
    private let system: ImageFileSystem
    private let memory: SharedRequestMemory
    private let connection: CInt

    /// The file system's type in mountinfo.
    static let fileSystem = "fuse.nacre"
    /// A few threads are enough, because none of them waits.
    ///
    /// They are kept so that none must be created while memory is short.
    private static let threads = 8

    init(_ system: ImageFileSystem, _ memory: SharedRequestMemory, connection: CInt) throws(MappingError) {
        self.system = system
        self.memory = memory
        self.connection = connection
        var operations = ImageFileSystem.operations()
        let session = cfuse_session("nacre", &operations, Unmanaged.passUnretained(system).toOpaque())
        guard let session else { throw MappingError(.other, "cannot start a FUSE session (fuse_session_new)") }
        self.session = session
    }

    /// Mounts the connection, and answers FUSE_INIT.
    func mount(at mountPoint: String) throws(KernelError) {
        var options = MountOptions(["nosuid", "nodev", "noexec", "noatime"])
        options.data = "fd=\(connection),rootmode=40000,user_id=0,group_id=0,allow_other"
        try Mounting.mount("nacre", at: mountPoint, fileSystem: Self.fileSystem, options: options)
        try speak(at: mountPoint)
        // FUSE_INIT comes first, and no other thread reads yet.
        var buffer = fuse_buf()
        defer { free(buffer.mem) }
        while memory.note.isEmpty {
            guard serveOne(&buffer) else {
                try Mounting.detach(mountPoint)
                throw KernelError("fuse_session_receive_buf", .ioError, mountPoint)
            }
        }
    }

    /// Goes on where a server that has died was.
    func resume(at mountPoint: String) throws(KernelError) {
        try speak(at: mountPoint)
        var introduction = memory.note
        let count = introduction.count
        introduction.withUnsafeMutableBytes { bytes in
            var buffer = fuse_buf(size: count, flags: .init(rawValue: 0), mem: bytes.baseAddress, fd: -1, pos: 0)
            fuse_session_process_buf(session, &buffer)
        }
    }

    /// Asks the kernel for the requests that a dead server had not answered.
    func askAgain() throws(KernelError) {
        // struct fuse_out_header: length, the notification's number, no request's.
        let words: [UInt32] = [16, Self.resend, 0, 0]
        let result = words.withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
        guard result < 0 else { return }
        throw KernelError("FUSE_NOTIFY_RESEND", Errno(rawValue: errno), "FUSE connection")
    }

    /// Whether the kernel can send requests again, according to its FUSE_INIT.
    static func canAskAgain(_ introduction: [UInt8]) -> Bool {
        // struct fuse_in_header, 40 bytes; struct fuse_init_in: major, minor, max_readahead, flags, flags2.
        guard introduction.count >= 60 else { return false }
        let words = introduction[56..<60].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return words & hasResend != 0
    }

    /// Answers requests until the connection ends.
    func run() {
        let threads = (1..<Self.threads).compactMap { _ in startThread(isJoined: true) { [self] in serve() } }
        serve()
        for thread in threads { pthread_join(thread, nil) }
    }

    private func speak(at mountPoint: String) throws(KernelError) {
        guard cfuse_speak(session, connection) == 0 else {
            throw KernelError("fuse_session_mount", .ioError, mountPoint)
        }
    }

    /// Does what one thread has to; the process ends after that, so its memory is not given back.
    private func serve() {
        var buffer = fuse_buf()
        buffer.mem = Self.residentMemory()
        while fuse_session_exited(session) == 0 {
            guard serveOne(&buffer) else { return }
        }
    }

    /// Memory for the longest request, all of it touched; `nil` if there is none, and then libfuse takes its own.
    ///
    /// While the kernel copies a request to us it can no longer be sent again. If it finds a page missing, or shared with a
    /// child, and we were just killed, it does not wait for that page, and fails the request with EIO. These pages are there
    /// (`mlockall` keeps them), and no child gets them.
    private static func residentMemory() -> UnsafeMutableRawPointer? {
        // At least what libfuse reads at once; the kernel sends less, a header and what `max_write` allows.
        let header = 4096
        let size = ImageFileSystem.longestTransfer + 2 * header
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory, memory != MAP_FAILED else { return nil }
        madvise(memory, size, MADV_DONTFORK)
        memset(memory, 1, size)
        return memory
    }

    /// Whether there may be more.
    private func serveOne(_ buffer: inout fuse_buf) -> Bool {
        let count = fuse_session_receive_buf(session, &buffer)
        if count == -EINTR || count == -EAGAIN { return true }
        guard count > 0, let bytes = buffer.mem else { return false }
        if bytes.load(fromByteOffset: 4, as: UInt32.self) == Self.initialize {
            memory.note = Array(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
        }
        fuse_session_process_buf(session, &buffer)
        return true
    }

    // From <linux/fuse.h>, newer than libfuse's own header: FUSE_INIT, FUSE_NOTIFY_RESEND, FUSE_HAS_RESEND >> 32.
    private static let initialize: UInt32 = 26
    private static let resend: UInt32 = 7
    private static let hasResend: UInt32 = 1 << 7
}
