import Glibc
import LinuxKernel
import Testing

@Suite(
    "What the program says and how it ends",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct CommandTests {
    @Test(
        "A mistyped command is told what it may have been",
        arguments: [("inspct", "inspect"), ("gpt prnt", "gpt print")]
    )
    func mistyped(words: String, meant: String) throws {
        let ran = try DiskLab().nacre("\(words) /dev/null")
        #expect(ran.status == 64)
        #expect(ran.errors.contains("did you mean 'nacre-disk \(meant)'?"))
    }

    @Test("list ends with 1 when a disk cannot be read, and lists the others")
    func unreadable() throws {
        let lab = try DiskLab()
        // A disk of the host, which is never opened here: every open of it fails, as that of a dead disk does.
        let listed = lab.nacre("list -o json")
        let path = DiskLab.run("jq -r '.[0].path // empty' <<< '\(listed.output)'", limit: 60).output.prefix {
            $0 != "\n"
        }
        guard path.hasPrefix("/dev/") else { return }
        let broken = "strace -f -qq -P \(path) -e trace=openat -e inject=openat:error=EIO -o /dev/null"
        let ran = DiskLab.run("\(broken) \(DiskLab.program) list", limit: 120)
        #expect(ran.status == 1, "\(ran.errors)")
        #expect(ran.errors.contains("cannot read '\(path)' (the device, or what it gets"), "\(ran.errors)")
        #expect(ran.output.contains("\(path) ") && ran.output.contains("cannot be read"))
        #expect((listed.status == 1) == listed.errors.contains("cannot read"))
    }

    @Test("The kernel learns a table that it cannot read by itself, also while a partition is in use")
    func reread() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 128 << 20)
        lab.atEnd {
            for number in 1...4 { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: number) }
        }
        func known() -> [Int: UInt64] {
            let nodes = Sysfs().partitions(of: String(disk.loop.dropFirst(5)))
            return Dictionary(uniqueKeysWithValues: nodes.map { ($0.partitionNumber ?? 0, $0.sizeBytes >> 20) })
        }
        // The file is changed behind the kernel's back.
        func change(_ words: String) throws {
            try lab.sh("sgdisk \(words) \(disk.file)")
            try disk.flush()
        }
        try change("-o -n 1:0:+10M -n 2:0:+10M")
        #expect(lab.nacre("gpt reread \(disk.loop)").status == 0)
        #expect(known() == [1: 10, 2: 10])
        if let node = Sysfs().node("\(disk.loop.dropFirst(5))p1") { try DevicePath.makeNode(node.path, node.device) }
        _ = try lab.claim("\(disk.loop)p1", "os.O_EXCL")
        try change("-d 2 -n 3:0:+20M")
        let second = lab.nacre("gpt reread \(disk.loop)")
        #expect(second.status == 0, "\(second.errors)")
        #expect(
            second.errors.contains("partition 2 is forgotten") && second.errors.contains("partition 3 is known now")
        )
        #expect(known() == [1: 10, 3: 20])
        // The one in use is gone from the table: the kernel keeps it, and that is said.
        try change("-d 1")
        let third = lab.nacre("gpt reread \(disk.loop)")
        #expect(third.status == 1 && third.errors.contains("keeps partition 1: it is in use"))
        #expect(known() == [1: 10, 3: 20])
    }

    @Test("Who claims a disk for a moment, as ceph-volume's inventory does with each, is waited for")
    func momentaryClaim() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 128 << 20)
        _ = try lab.claim(disk.loop, "os.O_EXCL", mode: "os.O_RDONLY", seconds: 1)
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file)")
        #expect(ran.status == 0, "\(ran.errors)")
    }

    @Test("An OSD that is up is refused by its name: its process has the device open")
    func process() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try disk.write(fixture: "bluestore-single")
        let before = try disk.fingerprint()
        // The kernel's name of a program is what prctl says.
        let script = "\(lab.directory)/ceph-osd.py"
        let text = """
            import ctypes, os, sys, time
            ctypes.CDLL(None).prctl(15, b"ceph-osd")
            fd = os.open("\(disk.loop)", os.O_RDONLY)
            open("\(lab.directory)/on", "w")
            time.sleep(600)
            """
        try KernelFile.replace(script, with: Array(text.utf8))
        try lab.background("exec /usr/bin/python3 \(script) -f -i 7")
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file) --fsid \(DiskLab.cluster)")
        #expect(ran.status == 77)
        #expect(ran.errors.contains("osd.7 is up: ceph-osd (process "), "\(ran.errors)")
        #expect(try disk.fingerprint() == before)
    }

    @Test(
        "An OSD that is up is refused by its name: its socket answers, or takes the call and does not",
        arguments: [true, false]
    )
    func socket(isAnswering: Bool) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try disk.write(fixture: "bluestore-single")
        let before = try disk.fingerprint()
        // Only the zap of this test sees the socket: it has a /run/ceph of its own.
        let directory = "\(lab.directory)/run"
        try lab.sh("mkdir -p \(directory) /run/ceph")
        func nacre(_ words: String) -> Ran {
            let seeing = "mount --bind \(directory) /run/ceph && exec \(DiskLab.program) \(words)"
            return DiskLab.run("unshare -m bash -c \"\(seeing)\"", limit: 60)
        }
        let script = "\(lab.directory)/admin.py"
        let reply =
            #"{"cluster_fsid": "\#(DiskLab.cluster)", "osd_fsid": "\#(DiskLab.osd)", "whoami": 7, "state": "active"}"#
        let text = """
            import socket, struct, time
            s = socket.socket(socket.AF_UNIX)
            s.bind("\(directory)/ceph-osd.7.asok")
            s.listen(8)
            open("\(lab.directory)/on", "w")
            kept = []
            while True:
                c, _ = s.accept()
                kept.append(c)
                if \(isAnswering ? "True" : "False"):
                    assert c.recv(4096).endswith(b"\\0")
                    reply = b'\(reply)'
                    c.sendall(struct.pack(">I", len(reply)) + reply)
            """
        try KernelFile.replace(script, with: Array(text.utf8))
        try lab.background("exec /usr/bin/python3 \(script)")
        let ran = nacre("zap \(disk.loop) --serial \(disk.file) --fsid \(DiskLab.cluster)")
        #expect(ran.status == 77)
        let words = isAnswering ? "osd.7 is up: its socket" : "osd.7 may be up: something listens on its socket"
        #expect(ran.errors.contains(words), "\(ran.errors)")
        #expect(try disk.fingerprint() == before)
        #expect(nacre("plan \(disk.loop) --fsid \(DiskLab.cluster)").output.contains("[running-osd]"))
    }
}
