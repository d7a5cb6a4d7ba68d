internal import CFuse
internal import ExactText
internal import Glibc
public import LinuxKernel
internal import Synchronization
internal import SystemPackage

/// A directory in which every name leads to a directory of that name elsewhere, and whoever follows it waits until that is
/// there.
///
/// kubelet looks for the directory of a volume as soon as a pod comes, and what is not there yet costs it half a second, then
/// one, two, four. Here it waits instead, and goes on the moment the directory appears.
///
/// It is a FUSE file system of symbolic links. Only readlink(2) waits: looking a name up, listing and statfs(2) are answered
/// at once, so nothing waits with a lock of the directory. A waiting process can be killed.
///
/// | asked for | answer |
/// | --- | --- |
/// | any name that does not begin with a dot | a symbolic link |
/// | what it leads to | `PLACES/NAME` once that is a directory; ENOENT after `patience` |
///
/// Nothing but the rename that shows a directory ends a wait, so a volume is seen no earlier than without it.
///
/// Safe to share: what changes is locked, the rest is set once.
public final class PlaceGate: @unchecked Sendable {
    /// The file system's type in mountinfo.
    public static let fileSystem = "fuse.nacre-gate"
    /// How long somebody waits for a name.
    ///
    /// kubelet tries again after an error. A minute is longer than an agent's restart takes, and short enough for the error to
    /// be told before kubelet's own limit for a pod's volumes, two minutes.
    public static let patience = Duration.seconds(60)

    private struct Node {
        let name: String
        /// How often the kernel has been told of it.
        var lookups: UInt64
    }

    private struct Waiter {
        let request: UInt
        let name: String
        let until: ContinuousClock.Instant
    }

    private struct State {
        var nodes: [fuse_ino_t: Node] = [:]
        var numbers: [String: fuse_ino_t] = [:]
        var last = PlaceGate.rootNode
        var waiters: [Waiter] = []
    }

    static let rootNode: fuse_ino_t = 1

    private let places: String
    private let patience: Duration
    private let state = Mutex(State())
    private let changes: OwnedDescriptor
    private let wakeups: (readEnd: CInt, writeEnd: CInt)

    /// Watches a directory.
    ///
    /// - Parameters:
    ///   - places: Where the directories appear, by a rename.
    ///   - patience: How long somebody waits for one.
    /// - Throws: `KernelError`.
    public init(to places: String, patience: Duration = PlaceGate.patience) throws(KernelError) {
        self.places = places
        self.patience = patience
        changes = OwnedDescriptor(
            adopting: try Self.checked("inotify_init1", places, inotify_init1(CInt(IN_CLOEXEC) | CInt(IN_NONBLOCK))),
            subject: places
        )
        let events = UInt32(IN_MOVED_TO) | UInt32(IN_ONLYDIR)
        _ = try Self.checked("inotify_add_watch", places, inotify_add_watch(changes.rawValue, places, events))
        var ends: [CInt] = [-1, -1]
        _ = try Self.checked("pipe2", "pipe", pipe(&ends))
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        wakeups = (ends[0], ends[1])
    }

    /// Mounts it at `path` and serves until it is unmounted.
    ///
    /// - Parameters:
    ///   - path: A directory, which is made where it is missing; it takes the place of a symbolic link.
    ///   - isReady: Called once when it is mounted.
    /// - Throws: `KernelError` if it cannot be mounted; without `/dev/fuse` a link is still there then.
    public func serve(at path: String, isReady: () -> Void) throws(KernelError) {
        let connection = try OwnedDescriptor(opening: "/dev/fuse", O_RDWR)
        var operations = Self.operations()
        let session = cfuse_session("nacre-gate", &operations, Unmanaged.passUnretained(self).toOpaque())
        guard let session else { throw KernelError("fuse_session_new", .ioError, path) }
        try Self.mount(connection.rawValue, for: session, at: path)
        startThread { [self] in attend() }
        isReady()
        fuse_session_loop(session)
    }

    private static func mount(_ connection: CInt, for session: OpaquePointer, at path: String) throws(KernelError) {
        let path = try KernelFile.canonical(path)
        if try FileKind.of(path) == .symbolicLink { try KernelFile.remove(path) }
        // A mount that followed a link would be over the volumes, and the gate would wait for itself.
        let place = try MountPlace(path, makingParents: 0o700)
        try place.makeDirectory(mode: 0o700)
        // Without allow_other: of all users only root, as which kubelet runs, may wait here.
        var options = MountOptions(["ro", "nosuid", "nodev", "noexec"])
        options.data = "fd=\(connection),rootmode=40000,user_id=0,group_id=0"
        try place.mount("nacre-gate", fileSystem: fileSystem, options: options)
        guard cfuse_speak(session, connection) == 0 else {
            try place.detach()
            throw KernelError("fuse_session_mount", .ioError, path)
        }
    }

    private static func checked(_ call: String, _ subject: String, _ result: CInt) throws(KernelError) -> CInt {
        guard result >= 0 else { throw KernelError(call, Errno(rawValue: errno), subject) }
        return result
    }

    /// The directory that a name leads to.
    private func target(_ name: String) -> String { "\(places)/\(name)" }

    private func isThere(_ name: String) -> Bool {
        guard let kind = try? FileKind.of(target(name)) else { return false }
        return kind == .directory
    }
}

extension PlaceGate {
    /// Answers with the link of a name.
    func replyEntry(_ request: fuse_req_t, _ name: String) {
        guard !name.startsExactly(with: ".") else {
            fuse_reply_err(request, ENOENT)
            return
        }
        let node = state.withLock { state in
            let node = state.numbers[name] ?? state.last + 1
            state.last = max(state.last, node)
            state.numbers[name] = node
            state.nodes[node, default: Node(name: name, lookups: 0)].lookups += 1
            return node
        }
        // What the kernel kept would not wait.
        var entry = fuse_entry_param()
        entry.ino = node
        entry.attr = attributes(of: node)
        guard fuse_reply_entry(request, &entry) != 0 else { return }
        forget(node, 1)
    }

    /// Notes that the kernel has forgotten a name so many times.
    func forget(_ node: fuse_ino_t, _ times: UInt64) {
        state.withLock { state in
            guard var known = state.nodes[node] else { return }
            known.lookups -= min(times, known.lookups)
            if known.lookups == 0 {
                state.nodes[node] = nil
                state.numbers[known.name] = nil
            } else {
                state.nodes[node] = known
            }
        }
    }

    func attributes(of node: fuse_ino_t) -> stat {
        var status = stat()
        status.st_ino = ino_t(node)
        status.st_nlink = 1
        status.st_mode = node == Self.rootNode ? S_IFDIR | 0o700 : S_IFLNK | 0o777
        return status
    }

    /// Answers with what a link leads to, now or when that is there.
    func replyTarget(_ request: fuse_req_t, _ node: fuse_ino_t) {
        guard let name = state.withLock({ $0.nodes[node]?.name }) else {
            fuse_reply_err(request, ENOENT)
            return
        }
        guard !isThere(name) else {
            fuse_reply_readlink(request, target(name))
            return
        }
        fuse_req_interrupt_func(
            request,
            { _, gate in
                guard let gate else { return }
                Unmanaged<PlaceGate>.fromOpaque(gate)._withUnsafeGuaranteedRef { $0.wake() }
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
        let waiter = Waiter(request: UInt(bitPattern: request), name: name, until: .now + patience)
        state.withLock { $0.waiters.append(waiter) }
        wake()
    }

    /// Has all that wait looked at; a full pipe is as good.
    private func wake() {
        var byte: UInt8 = 0
        write(wakeups.writeEnd, &byte, 1)
    }

    /// Ends the waits, for ever.
    private func attend() {
        while true {
            let next = state.withLock { $0.waiters.map(\.until).min() }
            // Once a second where somebody waits: the directory may have been replaced by another one, which nobody watches.
            let rest = next.map { min(max(($0 - .now) / .milliseconds(1), 0) + 1, 1000) }
            var entries = [changes.rawValue, wakeups.readEnd].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            poll(&entries, nfds_t(entries.count), rest.map { CInt($0) } ?? -1)
            // What they say does not matter: the directory does.
            var told = [UInt8](repeating: 0, count: 16 << 10)
            for entry in entries where entry.revents != 0 { while read(entry.fd, &told, told.count) > 0 {} }
            for waiter in state.withLock({ $0.waiters }) { answer(waiter) }
        }
    }

    private func answer(_ waiter: Waiter) {
        guard let request = OpaquePointer(bitPattern: waiter.request) else { return }
        let isShown = isThere(waiter.name)
        let error = fuse_req_interrupted(request) != 0 ? EINTR : waiter.until <= .now ? ENOENT : 0
        guard isShown || error != 0 else { return }
        state.withLock { $0.waiters.removeAll { $0.request == waiter.request } }
        if isShown { fuse_reply_readlink(request, target(waiter.name)) } else { fuse_reply_err(request, error) }
    }
}
