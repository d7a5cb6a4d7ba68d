import ExactText
import Glibc
import SystemPackage
import Testing

@testable import LinuxKernel

@Suite("Blocking work on several threads")
struct ThreadsTests {
    @Test("Of jobs within the limit each has a thread of its own, the caller's has the first", arguments: [4, 9])
    func ownThreads(limit: Int) {
        let caller = pthread_self()
        let threads = Threads.run(limit: limit, (0..<4).map { _ in { @Sendable in pthread_self() } })
        #expect(threads.first == caller && Set(threads).count == 4)
    }

    @Test("Beyond the limit jobs wait for a thread, and results stand in the order of the jobs", arguments: [0, 1, 3])
    func order(limit: Int) {
        let results = Threads.run(limit: limit, (0..<20).map { number in { @Sendable in (number, pthread_self()) } })
        #expect(results.map(\.0) == Array(0..<20))
        #expect(Set(results.map(\.1)).count == max(1, limit))
        #expect(Threads.run(limit: limit, [@Sendable () -> Int]()).isEmpty)
    }
}

@Suite("A file without a name")
struct NamelessFileTests {
    @Test(
        "is in no directory, has its size in holes, and shows what another descriptor writes",
        arguments: ["/tmp", "/dev/shm"]
    )
    func life(parent: String) throws {
        let directory = "\(parent)/nacre-nameless-\(UInt64.random(in: 0...UInt64.max))"
        try KernelFile.makeDirectories(directory)
        defer { try? KernelFile.removeDirectory(directory) }
        let file = try NamelessFile(in: directory, sizeBytes: 1 << 30)
        #expect(try KernelFile.names(in: directory) == [])
        var status = stat()
        #expect(fstat(file.descriptor.rawValue, &status) == 0)
        #expect(status.st_size == 1 << 30 && status.st_blocks == 0 && status.st_nlink == 0)
        let report = try NamelessFile(in: directory)
        try OwnedDescriptor(opening: report.path, O_WRONLY).writeAll(Array("1 2 3\n".utf8))
        #expect(try KernelFile.text(report.path) == "1 2 3\n")
    }

    @Test("is not made where there is no directory")
    func lack() {
        #expect(throws: KernelError.self) { try NamelessFile(in: "/nowhere/at/all") }
    }
}

@Suite("What the kernel's files say")
struct KernelTextTests {
    @Test("A mount point with spaces, tabs and backslashes is read as it is")
    func escapes() throws {
        let table = MountTable(
            text:
                #"41 27 0:39 /a\040b /var/x\011y\134z rw,noatime shared:5 master:1 - fuse.nacre na\040cre ro,user_id=0"#
                + "\n"
        )
        let mount = try #require(table.mounts.first)
        #expect(mount.root == "/a b")
        #expect(mount.mountPoint == "/var/x\ty\\z")
        #expect(mount.source == "na cre")
        #expect(mount.device == DeviceNumber(major: 0, minor: 39))
        #expect(mount.options == ["rw", "noatime"])
        #expect(mount.isReadOnly)
    }

    @Test("A name that begins with a combining character, or ends in a carriage return, hides no mount")
    func combining() {
        let table = MountTable(
            text: "9 1 0:2 / /m rw - tmpfs \u{301}x rw\n10 1 0:3 / /m/\u{301}n rw - tmpfs x rw,size=1\r\n"
                + "11 1 0:4 / /last rw - tmpfs y rw\n"
        )
        #expect(table.mounts.map(\.id) == [9, 10, 11])
        #expect(table.mount(at: "/m")?.source.isExactly("\u{301}x") == true)
        #expect(table.mounts(below: "/m").map(\.id) == [10])
    }

    @Test("Of mounts on top of each other the uppermost counts, in whatever order they stand")
    func stacked() {
        let table = MountTable(text: "9 5 0:2 / /m rw - xfs b rw\n5 1 0:1 / /m rw - ext4 a rw\n")
        #expect(table.mount(at: "/m")?.id == 9)
        #expect(table.mount(at: "/") == nil)
    }

    @Test(
        "A broken line is left out",
        arguments: ["", "1 2 3", "a b c d e f g h i j k", "1 2 0:1 / /m rw no dash here at all"]
    )
    func broken(line: String) {
        #expect(MountTable(text: line).mounts.isEmpty)
    }

    @Test("A process name may hold spaces and parentheses")
    func processStatus() throws {
        let fields = (4...60).map(String.init).joined(separator: " ")
        let status = try #require(ProcessStatus(text: "12 (a) b (c)) D \(fields)"))
        #expect(status.command == "a) b (c)")
        #expect(status.state == "D")
        #expect(status.startTime == 22)
        #expect(ProcessStatus(text: "12 (") == nil)
    }

    @Test(
        "Bit 24 is CAP_SYS_RESOURCE",
        arguments: [("000001fffeffffff", false), ("000001ffffffffff", true), ("1000000", true)]
    )
    func capabilities(mask: String, allows: Bool) {
        #expect(Capabilities(statusText: "Name:\tx\nCapEff:\t\(mask)\n")?.allowsResourceControl == allows)
    }

    @Test("Hierarchies of both versions are told apart")
    func cgroups() {
        let cgroups = Cgroups(text: "4:memory:/pods/a:b\n9:name=systemd:/x\n0::/unified\n")
        #expect(cgroups.memberships.map(\.path) == ["/pods/a:b", "/x", "/unified"])
        #expect(cgroups.memberships.map(\.controllers) == [["memory"], ["name=systemd"], []])
        let table = MountTable(
            text: """
                1 0 0:1 / /c/memory rw - cgroup cgroup rw,memory
                2 0 0:2 / /c/unified rw - cgroup2 none rw
                3 0 0:3 /pod /c/systemd rw - cgroup cgroup rw,name=systemd
                """
        )
        #expect(cgroups.memberships.map { Cgroups.root(of: $0, in: table) } == ["/c/memory", nil, "/c/unified"])
    }

    @Test("Mount options become flags, words for others are dropped, the rest is the file system's")
    func mountOptions() {
        let options = MountOptions(["ro,noatime", "nouuid", "_netdev", "x-systemd.automount", "rw", "context=a"])
        #expect(options.flags == 1024)
        #expect(options.data == "nouuid,context=a")
        #expect(MountOptions(["ro"]).isReadOnly)
    }

    @Test(
        "A device number survives its packing",
        arguments: [(7, 3), (259, 70_000), (0, 0), (4095, 1_048_575)] as [(UInt32, UInt32)]
    )
    func deviceNumbers(major: UInt32, minor: UInt32) {
        let number = DeviceNumber(major: major, minor: minor)
        #expect(DeviceNumber(rawValue: number.rawValue) == number)
        #expect(DeviceNumber(parsing: number.description) == number)
    }

    @Test("Our own process is alive, and not once its start differs")
    func identity() throws {
        let own = try #require(ProcessIdentity(of: getpid()))
        #expect(own.isAlive)
        #expect(!ProcessIdentity(pid: own.pid, startTime: own.startTime + 1, bootID: own.bootID).isAlive)
    }

    @Test("A record is replaced whole and leaves nothing beside it")
    func replace() throws {
        let directory = "/tmp/nacre-kernel-\(getpid())"
        try KernelFile.makeDirectories("\(directory)/a/b")
        try KernelFile.replace("\(directory)/a/b/r", with: Array("one".utf8))
        try KernelFile.replace("\(directory)/a/b/r", with: Array("two".utf8))
        #expect(try KernelFile.text("\(directory)/a/b/r") == "two")
        #expect(try KernelFile.names(in: "\(directory)/a/b") == ["r"])
        #expect(try KernelFile.canonical("\(directory)/a/../a/b") == "/tmp/nacre-kernel-\(getpid())/a/b")
        try KernelFile.remove("\(directory)/a/b/r")
        try KernelFile.remove("\(directory)/a/b/r")
        for path in ["a/b", "a", ""] { try KernelFile.removeDirectory("\(directory)/\(path)") }
    }

    @Test(
        "What the kernel refuses is told by its cause beside its number",
        arguments: [
            ("/dev/null/file", "what should be a directory on its path is none (open: ENOTDIR)"),
            ("/proc/self/exe/", "what should be a directory on its path is none (open: ENOTDIR)"),
            ("/tmp", "it is a directory (open: EISDIR)"),
            ("/proc/version", "it is not a block device (BLKRRPART: ENOTTY)"),
            ("/dev/full", "there is no space left (write: ENOSPC)"),
        ]
    )
    func causes(path: String, words: String) {
        #expect {
            let isReading = path.hasPrefix("/proc/v")
            let file = try OwnedDescriptor(opening: path, isReading ? O_RDONLY : O_WRONLY)
            if isReading { try BlockIOControl(descriptor: file).rereadPartitionTable() } else { try file.writeAll([0]) }
        } throws: {
            ($0 as? KernelError)?.words == words
        }
    }

    @Test(
        "A program is a child of ours, or has a session of its own; one that cannot be run is told by execve",
        arguments: [true, false]
    )
    func spawns(isDetached: Bool) throws {
        let script = "read -r _ _ _ _ _ session _ < /proc/$$/stat; echo $$ $session; exit 7"
        let said = try OwnedDescriptor.withPipe { (readEnd, writeEnd) throws(KernelError) -> (Int32, String) in
            let pid = try ProcessControl.spawn(
                "/bin/sh",
                isDetached: isDetached,
                arguments: ["sh", "-c", script],
                environment: [:],
                descriptors: [0, writeEnd.rawValue, 2]
            )
            // Ours is closed first, so that the end of what the program says is seen.
            _ = consume writeEnd
            return (pid, String(decoding: try readEnd.readToEnd(), as: UTF8.self))
        }
        let words = said.1.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
        #expect(words.count == 2 && words.first == said.0, "\(said)")
        // What outlives us has the session that its own parent made before it ended.
        #expect((words.last == getsid(0)) == !isDetached, "\(said)")
        if !isDetached { #expect(ProcessControl.ending(of: said.0) == "exit status 7") }
        #expect {
            _ = try ProcessControl.spawn(
                "/nonexistent/program",
                isDetached: isDetached,
                arguments: ["program"],
                environment: [:],
                descriptors: [0, 1, 2]
            )
        } throws: {
            ($0 as? KernelError)?.call == "execve" && ($0 as? KernelError)?.isNotFound == true
        }
    }

    @Test("Who listens and accepts nobody, as a process that was stopped, keeps none of those who connect for ever")
    func acceptsNobody() throws {
        let path = "/tmp/nacre-deaf-\(getpid())"
        let listener = try OwnedDescriptor.listening(at: path)
        defer { unlink(path) }
        var causes: [Errno] = []
        for _ in 0..<20 {
            do throws(KernelError) {
                _ = try OwnedDescriptor.connected(to: path, within: 1)
            } catch {
                causes.append(error.errno)
            }
        }
        // The kernel keeps one more than the listener asked for.
        #expect(causes == Array(repeating: .resourceTemporarilyUnavailable, count: 3))
        #expect(listener.rawValue >= 0)
    }

    @Test("Who listens nowhere is told as such, and a name that is too long as that")
    func moreCauses() {
        #expect { _ = try OwnedDescriptor.connected(to: "/tmp/nobody-\(getpid())", within: 1) } throws: {
            ($0 as? KernelError)?.cause == "there is none"
        }
        #expect { try KernelFile.makeDirectories("/tmp/\(String(repeating: "x", count: 300))") } throws: {
            ($0 as? KernelError)?.words == "its name is too long (mkdir: ENAMETOOLONG)"
        }
    }

    @Test("An error names its call, its errno and its subject")
    func errorText() {
        #expect {
            try OwnedDescriptor(opening: "/nonexistent/file", O_RDONLY).readToEnd()
        } throws: {
            "\($0)" == "'/nonexistent/file' (there is none; open: ENOENT)"
        }
    }
}

@Suite("Removal of directories")
struct TreeRemovalTests {
    @Test("A tree goes, and what its links lead to stays")
    func links() throws {
        let base = "/tmp/nacre-tree-\(getpid())"
        for directory in ["", "/kept", "/tree", "/tree/a"] { mkdir(base + directory, 0o700) }
        defer { try? KernelFile.removeTree(base) }
        try KernelFile.replace("\(base)/kept/file", with: [1])
        try KernelFile.replace("\(base)/tree/a/file", with: [1])
        try #require(symlink("\(base)/kept", "\(base)/tree/a/link") == 0)
        try #require(symlink(base, "\(base)/alias") == 0)
        #expect(try KernelFile.resolved("\(base)/alias//tree/") == KernelFile.resolved(base) + "/tree")
        try KernelFile.removeTree("\(base)/alias/tree/")
        #expect(try KernelFile.names(in: base) == ["alias", "kept"])
        #expect(try KernelFile.names(in: "\(base)/kept") == ["file"])
        try KernelFile.removeTree("\(base)/tree")
    }
}

@Suite("Reservations of NVMe")
struct NVMeStatusTests {
    @Test(
        "Only a controller without the command has no reservations; bits beside the status are left out",
        arguments: [
            (0, .success), (0x4001, .invalidOpcode), (0x4002, .invalidField), (0x4018, .inconsistentFormat),
            (0x83, .other), (0x4001 + 0x300, .other), (0x371, .other),
        ] as [(CInt, DeviceReservation.NVMeStatus)]
    )
    func status(result: CInt, status: DeviceReservation.NVMeStatus) {
        #expect(DeviceReservation.NVMeStatus(result) == status)
    }
}
