import LinuxKernel

extension WrongDisk {
    /// It is not the disk that was meant.
    static let identity: [WrongDisk] = [
        WrongDisk("another serial", says: "and --serial gave", "DISK --serial S3Z8NB0K") { _, _ in "" },
        WrongDisk("no serial, and nobody to ask", says: "unasked: this is no terminal", "DISK") { _, _ in "" },
        WrongDisk(
            "the hash of another plan",
            says: "has another hash",
            "DISK --plan-hash \(String(repeating: "0", count: 64))"
        ) {
            _,
            _ in ""
        },
        WrongDisk("a right serial and a wrong hash", says: "has another hash", "\(willing) --plan-hash 00") { _, _ in ""
        },
        WrongDisk("a serial more than disks", says: "no disk named has the serial", "\(willing) --serial OTHER") {
            _,
            _ in ""
        },
        WrongDisk(
            "content changed since the plan",
            says: "has another hash",
            "DISK --plan-hash EXTRA --fsid \(DiskLab.cluster)"
        ) {
            disk,
            lab in
            let hash = try lab.planHash(disk)
            try lab.sh("mkswap \(disk.file)")
            try disk.flush()
            return hash + " --content swap"
        },
        WrongDisk(
            "a label written since the plan",
            says: "another hash",
            "DISK --plan-hash EXTRA --fsid \(DiskLab.cluster)"
        ) {
            disk,
            lab in
            let hash = try lab.planHash(disk)
            try disk.write(fixture: "bluestore-single")
            return hash
        },
        WrongDisk(
            "a file system made anew since the plan",
            says: "another hash",
            "DISK --plan-hash EXTRA --content ext4"
        ) {
            disk,
            lab in
            try lab.sh("mkfs.ext4 -q \(disk.loop)")
            let hash = try lab.planHash(disk)
            try lab.sh("mkfs.ext4 -q -F \(disk.loop)")
            return hash
        },
        WrongDisk("size changed since the plan", says: "has another hash", "DISK --plan-hash EXTRA") { disk, lab in
            let hash = try lab.planHash(disk)
            try lab.sh("truncate -s 80M \(disk.file) && losetup -c \(disk.loop)")
            return hash
        },
        WrongDisk(
            "detached and attached since the plan: another disk sequence",
            says: "has another hash",
            "DISK --plan-hash EXTRA"
        ) {
            disk,
            lab in
            let hash = try lab.planHash(disk)
            try lab.sh("losetup -d \(disk.loop) && losetup \(disk.loop) \(disk.file)")
            return hash
        },
        WrongDisk("another disk under the same name", says: "and --serial gave") { disk, lab in
            let other = try lab.image("other", 64 << 20)
            try lab.sh("losetup -d \(disk.loop) && losetup \(disk.loop) \(other)")
            return ""
        },
        WrongDisk(
            "a link that leads to another disk by now",
            says: "and --serial gave",
            "EXTRA --serial FILE"
        ) {
            disk,
            lab in
            let other = try lab.disk("other")
            try lab.sh("ln -s \(disk.loop) \(lab.directory)/link && ln -sfn \(other.loop) \(lab.directory)/link")
            return "\(lab.directory)/link"
        },
        WrongDisk("the name of a file", says: "is not a block device", "FILE --serial FILE") { _, _ in "" },
        WrongDisk("a link to a file", says: "is not a block device", "EXTRA --serial FILE") { disk, lab in
            try lab.sh("ln -s \(disk.file) \(lab.directory)/link")
            return "\(lab.directory)/link"
        },
        WrongDisk("a character device", says: "is not a block device", "/dev/null --serial FILE") { _, _ in "" },
        WrongDisk("a directory", says: "is not a block device", "/dev --serial FILE") { _, _ in "" },
        WrongDisk("no such path", says: "there is no", "/dev/nacre-none --serial FILE", status: 66) { _, _ in "" },
        WrongDisk("a dangling link", says: "there is no", "EXTRA --serial FILE", status: 66) { _, lab in
            try lab.sh("ln -s /dev/nacre-none \(lab.directory)/link")
            return "\(lab.directory)/link"
        },
        WrongDisk(
            "two disks, one of them foreign: neither is touched",
            says: "belongs to osd.7",
            "DISK EXTRA --serial FILE"
        ) {
            disk,
            lab in
            let other = try lab.disk("other")
            try other.write(fixture: "bluestore-single")
            return "\(other.loop) --serial \(other.file)"
        },
        WrongDisk("no disk named", says: "name at least one device", "--serial FILE", status: 64) { _, _ in "" },
        WrongDisk("a method that is none", says: "method", "\(willing) --method metadata", status: 64) { _, _ in "" },
        WrongDisk("an fsid that is none", says: "is not a UUID", "\(willing) --fsid all", status: 64) { _, _ in "" },
        WrongDisk("a format that is none", says: "is no format", "\(willing) --content everything", status: 64) {
            _,
            _ in ""
        },
        WrongDisk("an unknown flag", says: "Unknown option", "\(willing) --force", status: 64) { _, _ in "" },
    ]
}

extension DiskLab {
    func planHash(_ disk: Disk) throws -> String {
        try sh("\(Self.program) plan -o json \(disk.loop) | jq -r '.[0].hash'").filter { $0 != "\n" }
    }
}
