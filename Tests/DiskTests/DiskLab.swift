import Glibc
import LinuxKernel
import Testing

/// A program's output and exit status.
struct Ran: Sendable {
    let status: Int32
    let output: String
    let errors: String
}

/// Scratch space with its own loop devices; everything is removed with its owner.
///
/// No other device of the host is ever opened for writing: tests erase only loop devices that they made here.
final class DiskLab {
    static let cluster = "11111111-2222-3333-4444-555555555555"
    static let osd = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

    /// Where files go.
    let directory: String
    private var loops: [String] = []
    private var cleanUps: [() -> Void] = []

    /// Why the tests cannot run here; `nil` if they can.
    static let obstacle: String? = {
        if geteuid() != 0 { return "needs root" }
        if getenv("NACRE_OWN_MOUNTS") == nil { return "needs a mount namespace of its own: tools/test disk" }
        return access("/dev/loop-control", R_OK | W_OK) == 0 ? nil : "needs /dev/loop-control"
    }()

    init() throws {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        directory = "\(base)/disk-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try KernelFile.makeDirectories(directory)
    }

    deinit {
        for cleanUp in cleanUps.reversed() { cleanUp() }
        for loop in loops {
            try? Self.forgetPartitions(of: loop, within: 2)
            _ = Self.run("losetup -d \(loop)", limit: 60)
        }
        _ = Self.run("rm -rf --one-file-system -- \(directory)", limit: 60)
    }

    /// Registers a cleanup; cleanups run in reverse order.
    func atEnd(_ cleanUp: @escaping () -> Void) { cleanUps.append(cleanUp) }

    /// Makes a sparse file.
    func image(_ name: String = "disk", _ size: Int) throws -> String {
        let path = "\(directory)/\(name).img"
        try sh("truncate -s \(size) \(path)")
        return path
    }

    /// Makes a loop device of a file.
    func attach(_ path: String, sector: Int = 512, readOnly: Bool = false) throws -> String {
        let flags = readOnly ? "-r" : ""
        let ran = Self.run("losetup -f --show -b \(sector) \(flags) \(path)", limit: 60)
        try #require(ran.status == 0, "\(ran.errors)")
        let loop = String(ran.output.prefix { $0 != "\n" })
        loops.append(loop)
        // Those of what was attached to it before.
        try Self.forgetPartitions(of: loop, within: 60)
        return loop
    }

    /// Detaches a loop device early.
    ///
    /// Another process that looks at all disks may have it open; then the kernel detaches it at that one's close.
    func detach(_ loop: String) throws {
        let backing = "/sys/block/\(loop.split(separator: "/").last ?? "")/loop/backing_file"
        try sh(
            "file=$(cat \(backing)); losetup -d \(loop); "
                + "while [ -n \"$file\" ] && [ \"$(cat \(backing) 2> /dev/null)\" = \"$file\" ]; do sleep 0.05; done"
        )
        loops.removeAll { $0 == loop }
    }

    /// Makes a disk: a file and a loop device on it.
    func disk(_ name: String = "disk", _ size: Int = 64 << 20, sector: Int = 512) throws -> Disk {
        let path = try image(name, size)
        return Disk(file: path, loop: try attach(path, sector: sector))
    }

    /// Runs a shell line and expects success.
    @discardableResult
    func sh(_ command: String, limit: Int = 120) throws -> String {
        let ran = Self.run(command, limit: limit)
        try #require(ran.status == 0, "\(command): \(ran.status) \(ran.errors)")
        return ran.output
    }

    /// Runs nacre-disk.
    func nacre(_ arguments: String, limit: Int = 120) -> Ran {
        Self.run("\(Self.program) \(arguments)", limit: limit)
    }

    /// The program, in the directory of the test's bundle.
    static let program: String = {
        if let named = getenv("NACRE_DISK") { return String(cString: named) }
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        var folder = bundle.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        while !folder.isEmpty {
            let candidate = (folder + ["nacre-disk"]).joined(separator: "/")
            if access(candidate, X_OK) == 0 { return candidate }
            folder = folder.dropLast()
        }
        return "nacre-disk"
    }()

    /// Runs a shell line, and kills it after `limit` seconds.
    static func run(_ command: String, limit: Int) -> Ran {
        let base = "/tmp/nacre-ran-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let quoted = command.replacing("'", with: "'\\''")
        let status = system("timeout -k 5 \(limit) bash -c '\(quoted)' > \(base).out 2> \(base).err < /dev/null")
        defer {
            unlink("\(base).out")
            unlink("\(base).err")
        }
        return Ran(
            status: status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + (status & 0x7F),
            output: (try? KernelFile.text("\(base).out")) ?? "",
            errors: (try? KernelFile.text("\(base).err")) ?? ""
        )
    }
}

/// A disk of a lab.
struct Disk {
    let file: String
    let loop: String

    /// Puts bytes on it.
    func write(_ bytes: [UInt8], at offset: UInt64) throws {
        let descriptor = try OwnedDescriptor(opening: file, O_WRONLY)
        let count = bytes.withUnsafeBytes { pwrite(descriptor.rawValue, $0.baseAddress, $0.count, off_t(offset)) }
        try #require(count == bytes.count)
        try flush()
    }

    /// Puts text on it.
    func write(_ text: String, at offset: UInt64) throws { try write(Array(text.utf8), at: offset) }

    /// Puts a recorded header on it.
    func write(fixture: String, at offset: UInt64 = 0, count: Int = 8192) throws {
        let root = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let bytes = try KernelFile.bytes("/\(root)/BlockDevicesTests/Fixtures/\(fixture).bin")
        try write(Array(bytes.prefix(count)), at: offset)
    }

    /// Drops the device's cache of the file.
    func flush() throws {
        try BlockIOControl(opening: loop).flushBuffers()
    }

    /// A digest of its content for later comparison: everything except zeros, with offsets.
    func fingerprint() throws -> String {
        try flush()
        let script = """
            import hashlib, os, sys
            fd, at, digest = os.open(sys.argv[1], os.O_RDONLY), 0, hashlib.sha256()
            size, zeros = os.fstat(fd).st_size, bytes(1 << 16)
            while at < size:
                try: at = os.lseek(fd, at, os.SEEK_DATA)
                except OSError: break
                end = os.lseek(fd, at, os.SEEK_HOLE)
                # Whole steps, so that what a file system calls data does not matter, only what is not zero.
                at &= -1 << 16
                while at < end:
                    data = os.pread(fd, 1 << 16, at)
                    if data != zeros[:len(data)]: digest.update(b"%d:" % at + data)
                    at += 1 << 16
            print(size, digest.hexdigest())
            """
        let ran = DiskLab.run("sync \(file); /usr/bin/python3 - \(file) <<'END'\n\(script)\nEND", limit: 120)
        try #require(ran.status == 0, "\(ran.errors)")
        return ran.output
    }

    /// Every magic anywhere in the file, except in holes.
    var magics: String {
        let script = """
            import os, sys
            magics = [b"bluestore block device", b"EFI PART", b"LVM2 001", b"LABELONE", b" LVM2 x[5A%r0N*>",
                      b"LUKS\\xba\\xbe", b"SKUL\\xba\\xbe", b"XFSB", b"SWAPSPACE2", b"nacre-disk zap"]
            fd, at = os.open(sys.argv[1], os.O_RDONLY), 0
            size = os.fstat(fd).st_size
            while at < size:
                try: at = os.lseek(fd, at, os.SEEK_DATA)
                except OSError: break
                end = os.lseek(fd, at, os.SEEK_HOLE)
                while at < end:
                    data = os.pread(fd, min(end - at, 8 << 20) + 32, at)
                    for magic in magics:
                        if magic in data: print(magic, at + data.index(magic))
                    at += min(end - at, 8 << 20)
            """
        let ran = DiskLab.run("/usr/bin/python3 - \(file) <<'SCAN'\n\(script)\nSCAN", limit: 60)
        return ran.status == 0 ? ran.output : "the scan failed: \(ran.errors)"
    }

    /// Whether a range has only zeros.
    func isZero(_ offset: UInt64, _ count: UInt64) -> Bool {
        DiskLab.run("cmp -n \(count) -i \(offset):0 \(file) /dev/zero", limit: 120).status == 0
    }
}
