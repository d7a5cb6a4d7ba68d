import LinuxKernel

extension WrongDisk {
    /// Makes a file system that is whole from the start: else the kernel goes on with it once it is mounted.
    private static let ext4 = "mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0"

    /// Somebody uses it.
    static let use: [WrongDisk] = [
        WrongDisk("mounted", says: "is mounted at", "\(willing) --content ext4") { disk, lab in
            try lab.mount(disk.loop, ext4)
        },
        WrongDisk("mounted read-only", says: "is mounted at", "\(willing) --content ext4") { disk, lab in
            try lab.mount(disk.loop, ext4, options: "-o ro")
        },
        WrongDisk("mounted with XFS", says: "is mounted at", "\(willing) --content xfs", size: 320 << 20) { disk, lab in
            try lab.mount(disk.loop, "mkfs.xfs -q")
        },
        WrongDisk("mounted in another namespace", says: "in the namespace of process", "\(willing) --content ext4") {
            disk,
            lab in
            try lab.sh("\(ext4) \(disk.loop) && mkdir \(lab.directory)/m")
            try lab.background(
                "unshare -m bash -c 'mount \(disk.loop) \(lab.directory)/m && sync -f \(lab.directory)/m && touch \(lab.directory)/on && exec sleep 600'"
            )
            return ""
        },
        WrongDisk("a partition is mounted", says: "is mounted at", "\(willing) --content ext4") { disk, lab in
            try lab.mount(try lab.partition(disk), ext4)
        },
        WrongDisk("a partition is claimed", says: "is claimed: ", "\(willing) --content partition") { disk, lab in
            try lab.claim(try lab.partition(disk), "os.O_EXCL", mode: "os.O_RDONLY")
        },
        WrongDisk("claimed by another program", says: "is claimed: open in process") { disk, lab in
            try lab.claim(disk.loop, "os.O_EXCL", mode: "os.O_RDONLY")
        },
        WrongDisk("open to write in another program", says: "open to write") { disk, lab in
            try lab.claim(disk.loop, "0")
        },
        WrongDisk("another loop device of its file is mounted", says: "leads to the same", "\(willing) --content ext4")
        {
            disk,
            lab in
            try lab.mount(try lab.attach(disk.file), ext4)
        },
        WrongDisk("a loop device stands on it", says: "leads to the same") { disk, lab in
            try lab.sh("ls \(try lab.attach(disk.loop))")
            return ""
        },
        WrongDisk("locked by another program", says: "has locked") { disk, lab in
            try lab.claim(disk.loop, "0", mode: "os.O_RDONLY", then: "fcntl.flock(fd, fcntl.LOCK_EX)")
        },
        WrongDisk("a running ceph-osd's lock", says: "a running ceph-osd holds") { disk, lab in
            let lock = "fcntl.fcntl(fd, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0, 0))"
            return try lab.claim(disk.loop, "0", then: lock)
        },
        WrongDisk("read-only", says: "is read-only") { disk, lab in
            try lab.detach(disk.loop)
            let again = try lab.attach(disk.file, readOnly: true)
            return "ATTACHED \(again)"
        },
        WrongDisk("set read-only", says: "is read-only") { disk, lab in
            try lab.sh("blockdev --setro \(disk.loop)")
            lab.atEnd { _ = DiskLab.run("blockdev --setrw \(disk.loop)", limit: 60) }
            return ""
        },
        WrongDisk("too small to be judged", says: "left alone", size: 512 << 10) { _, _ in "" },
        WrongDisk(
            "a partition that is data of an OSD",
            says: "is no partition",
            "EXTRA --serial FILE --fsid \(DiskLab.cluster)"
        ) {
            disk,
            lab in
            let partition = try lab.partition(disk)
            try disk.write(fixture: "bluestore-single")
            return "\(partition)"
        },
    ]
}

extension DiskLab {
    /// Makes a file system and mounts it.
    func mount(_ device: String, _ make: String, options: String = "") throws -> String {
        let place = "\(directory)/mounted"
        try sh("\(make) \(device) && mkdir \(place) && mount \(options) \(device) \(place) && sync -f \(place)")
        atEnd { _ = DiskLab.run("umount \(place)", limit: 60) }
        return ""
    }

    /// Makes a partition of the first MiB on, which this kernel would not find by itself.
    func partition(_ disk: Disk) throws -> String {
        try sh("sgdisk -o -n 1:0:+40M \(disk.loop)")
        let path = try addPartition(of: disk.loop, length: 40 << 20)
        let loop = disk.loop
        atEnd { _ = try? BlockIOControl(opening: loop).deletePartition(number: 1) }
        return path
    }

    /// Runs a line of shell that stays until the end, and waits until it made `on`.
    func background(_ command: String) throws {
        let text = "setsid bash -c '\(command.replacing("'", with: "'\\''"))' > \(directory)/out 2>&1 & echo $!"
        let process = try sh(text).prefix { $0 != "\n" }
        atEnd { _ = DiskLab.run("kill -- -\(process); sleep 0.2", limit: 60) }
        try sh(
            "for i in $(seq 1200); do test -e \(directory)/on && exit 0; sleep 0.1; done; cat \(directory)/out >&2; exit 1"
        )
    }

    /// Has another program open a device.
    func claim(
        _ device: String,
        _ flags: String,
        mode: String = "os.O_RDWR",
        then action: String = "0",
        seconds: Int = 600
    ) throws -> String {
        let script = "\(directory)/claim.py"
        let text = """
            import fcntl, os, struct, time
            fd = os.open("\(device)", \(mode) | \(flags))
            \(action)
            open("\(directory)/on", "w")
            time.sleep(\(seconds))
            """
        try KernelFile.replace(script, with: Array(text.utf8))
        try background("exec /usr/bin/python3 \(script)")
        return ""
    }
}
