internal import Glibc
internal import ImageIO
internal import ImageMapping
internal import LinuxKernel
internal import RBD
internal import SystemPackage

/// Serves an image as the only file of a FUSE file system.
final class FuseFront: ServerFront {
    let engine: ImageIOEngine
    private let system: ImageFileSystem
    private let session: FuseSession
    private let memory: SharedRequestMemory
    private let mountPoint: String
    private let isReadOnly: Bool

    init(
        _ image: Image,
        _ engine: ImageIOEngine,
        _ memory: SharedRequestMemory,
        _ configuration: ImageServerConfiguration,
        connection: CInt
    ) throws(MappingError) {
        self.engine = engine
        self.memory = memory
        mountPoint = configuration.directory.mountPoint
        isReadOnly = configuration.isReadOnly
        system = try ImageFileSystem(image: image, engine: engine, isReadOnly: isReadOnly)
        session = try FuseSession(system, memory, connection: connection)
    }

    func start(isSuccessor: Bool) throws(MappingError) {
        let (system, session) = (system, session)
        do throws(KernelError) {
            if isSuccessor {
                try session.resume(at: mountPoint)
            } else {
                try session.mount(at: mountPoint)
            }
        } catch {
            throw MappingError("mount the image's file", error)
        }
        startThread { system.serveAttributes() }
        guard isSuccessor else {
            if !FuseSession.canAskAgain(memory.note) {
                ServerLog.say(
                    "this kernel cannot send FUSE requests again (before 6.9): those that a server has read when it is "
                        + "killed are lost, and wait for ever"
                )
            }
            return
        }
        ServerLog.attempt("ask for unanswered requests") { () throws(KernelError) in try session.askAgain() }
    }

    func waitUntilGone() { session.run() }

    /// The file's size is read on request.
    func grow() throws(MappingError) -> UInt64 { system.sizeBytes }

    func endIfUnused() {
        ServerLog.attempt("unmount at SIGTERM") { () throws(KernelError) in try Mounting.unmount(mountPoint) }
    }

    func abandon() {
        try? Mounting.detach(mountPoint)
    }

    func stop() { system.stop() }
}
