import Glibc
import LinuxKernel
import Testing

@Suite(
    "What the shell completes",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct CompletionTests {
    /// The completions of bash for an unfinished line, from the program's own script.
    ///
    /// It runs where only `link` is in `/dev/disk/by-id` and `by-label`, and leads to `device`.
    private func offers(_ line: String, link: String, to device: String) -> Set<String> {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        let folder = DiskLab.program.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        let script = """
            mount -t tmpfs -o size=1m nacre-test /dev/disk
            mkdir /dev/disk/by-id /dev/disk/by-label
            ln -s \(device) /dev/disk/by-id/\(link)
            ln -s \(device) /dev/disk/by-label/\(link)
            PATH=\(folder.joined(separator: "/")):$PATH
            source <(nacre-disk --generate-completion-script bash)
            COMP_WORDS=(\(words.map { "\"\($0)\"" }.joined(separator: " ")))
            COMP_CWORD=\(words.count - 1) COMP_LINE="\(line)" COMP_POINT=\(line.utf8.count)
            _nacre-disk nacre-disk "\(words[words.count - 1])" "\(words[words.count - 2])"
            printf "%s\\n" "${COMPREPLY[@]}"
            """
        let isOurs = mkdir("/dev/disk", 0o755) == 0
        defer { if isOurs { rmdir("/dev/disk") } }
        let ran = DiskLab.run("unshare -m bash <<'END'\n\(script)\nEND", limit: 60)
        #expect(ran.status == 0 && ran.errors.isEmpty, "\(line): \(ran.errors)")
        return Set(ran.output.split(separator: "\n").map(String.init))
    }

    @Test("Disks and partitions by their names and by their links, as each command takes them")
    func devices() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        lab.atEnd { _ = try? BlockIOControl(opening: disk.loop).deletePartition(number: 1) }
        try lab.sh("sgdisk -n 1:0:+10M \(disk.file)")
        try disk.flush()
        #expect(lab.nacre("gpt reread \(disk.loop)").status == 0)
        let (link, part) = ("virtio-NACRE1", "\(disk.loop)p1")
        let byID = "/dev/disk/by-id/\(link)"
        for command in ["inspect", "check", "plan", "zap", "zap --method zero"] {
            let offered = offers("nacre-disk \(command) /dev/", link: link, to: disk.loop)
            #expect(offered.isSuperset(of: [disk.loop, part, byID]), "\(command): \(offered)")
        }
        for command in ["prepare", "gpt print", "gpt verify", "gpt repair", "gpt add --number 2"] {
            let offered = offers("nacre-disk \(command) /dev/", link: link, to: disk.loop)
            #expect(offered.isSuperset(of: [disk.loop, byID]) && !offered.contains(part), "\(command): \(offered)")
        }
        let partitions = offers("nacre-disk zap /dev/disk/by-id/", link: link, to: part)
        #expect(partitions == [byID], "\(partitions)")
        #expect(offers("nacre-disk prepare /dev/disk/by-id/", link: link, to: part) == [])
        #expect(offers("nacre-disk plan /dev/disk/by-label/", link: link, to: part) == ["/dev/disk/by-label/\(link)"])
        #expect(offers("nacre-disk list --include \(disk.loop)", link: link, to: part) == [])
        let included = offers("nacre-disk dm ls --include \(disk.loop)", link: link, to: part)
        #expect(included.isSuperset(of: [disk.loop, part]), "\(included)")
    }

    @Test("A device that has no medium is not offered; formats that may be lost are")
    func others() throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        // While it has a file, though one of no bytes, no other test can get this device.
        let empty = try lab.attach(try lab.image("empty", 0))
        let offered = offers("nacre-disk inspect /dev/", link: "none", to: disk.loop)
        #expect(offered.contains(disk.loop) && !offered.contains(empty), "\(offered)")
        let formats = offers("nacre-disk zap --content L", link: "none", to: disk.loop)
        #expect(formats.contains("LVM2_member"), "\(formats)")
        #expect(offers("nacre-disk gpt add --type ceph-b", link: "none", to: disk.loop).contains("ceph-block"))
    }

    private static let zram = "/sys/class/zram-control"

    @Test("A device that is only memory is not offered", .enabled(if: access(zram, F_OK) == 0, "needs zram"))
    func memory() throws {
        let lab = try DiskLab()
        let number = try lab.sh("cat \(Self.zram)/hot_add").filter(\.isNumber)
        lab.atEnd { _ = DiskLab.run("echo \(number) > \(Self.zram)/hot_remove", limit: 60) }
        try lab.sh("echo 16M > /sys/block/zram\(number)/disksize")
        let disk = try lab.disk()
        for command in ["inspect", "dm ls --include"] {
            let offered = offers("nacre-disk \(command) /dev/", link: "none", to: disk.loop)
            #expect(offered.contains(disk.loop) && !offered.contains("/dev/zram\(number)"), "\(command): \(offered)")
        }
    }
}
