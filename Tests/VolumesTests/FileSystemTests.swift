import Glibc
import Testing

@testable import Volumes

@Suite("What a class says of a file system")
struct FileSystemTests {
    private func run(_ command: String) -> Int32 { system("{ \(command); } > /dev/null 2>&1") }

    private func has(_ fileSystem: String) -> Bool { run("command -v mkfs.\(fileSystem)") == 0 }

    @Test(
        "Options that make a file system are passed on as mkfs reads them, and it takes them",
        arguments: [
            ("ext4", "-m0", ["-m", "0"]), ("ext4", "-m 1 -b4096", ["-m", "1", "-b", "4096"]),
            (
                "ext4", "-vqm0 -jE nodiscard,lazy_itable_init=1",
                ["-v", "-q", "-m", "0", "-j", "-E", "nodiscard,lazy_itable_init=1"]
            ),
            ("ext4", "-Enodiscard,stride=4,stripe-width=8 -O ^has_journal,metadata_csum", nil),
            ("ext4", "-T largefile -Urandom", nil),
            ("ext4", "-i 65536 -I 256 -N 1000 -L data -J size=8 -e remount-ro", nil),
            ("ext4", "-qm0 -t ext4 -G 32 -C 65536 -O bigalloc", nil), ("xfs", "-K", ["-K"]),
            ("xfs", "-Kqd agcount=4,su=64k,sw=2", ["-K", "-q", "-d", "agcount=4,su=64k,sw=2"]),
            ("xfs", "-m reflink=0,rmapbt=1 -i size=1024 -n size=8k -s size=4096 -b size=4096 -L data -l size=64m", nil),
        ] as [(String, String, [String]?)]
    )
    func taken(fileSystem: String, text: String, words: [String]?) throws {
        let options = try MkfsOptions(text, for: fileSystem)
        if let words { #expect(options.words == words) }
        guard has(fileSystem) else { return }
        let file = "/tmp/nacre-mkfs-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let mkfs = "truncate -s 1G \(file) && mkfs.\(fileSystem) \(options.words.joined(separator: " ")) \(file)"
        #expect(run("\(mkfs); s=$?; rm -f \(file); test $s = 0") == 0, "\(mkfs)")
    }

    @Test(
        "Options that read or write elsewhere, make nothing or overwrite are refused, however they are written",
        arguments: [
            ("ext4", "-d run"), ("ext4", "-drun"), ("ext4", "-Fqd run"), ("ext4", "-qd run"), ("ext4", "-vqdrun"),
            ("ext4", "-n"), ("ext4", "-qn"), ("ext4", "-m0 -n"), ("ext4", "-m 0 -qn"), ("ext4", "-S"), ("ext4", "-qS"),
            ("ext4", "-V"), ("ext4", "-e panic"), ("ext4", "-epanic"), ("ext4", "-qe panic"), ("ext4", "-l list"),
            ("ext4", "-z undo"), ("ext4", "-zundo"), ("ext4", "-c"), ("ext4", "-cc"), ("ext4", "-F"), ("ext4", "-FF"),
            ("ext4", "-Eoffset=4096"), ("ext4", "-E stride=4,offset=4096"), ("ext4", "-Etest_fs"),
            ("ext4", "-J device=LABEL=x"), ("ext4", "-Jdevice=sda"), ("ext4", "-J size=4,device=sda"),
            ("ext4", "-J location=0"), ("ext4", "-O journal_dev"), ("ext4", "-Ojournal_dev"),
            ("ext4", "-O 64bit,journal_dev"),
            ("ext4", "-t ext2"), ("ext4", "-tjbd"), ("ext4", "-T hurd"), ("ext4", "-r 0"), ("ext4", "-o hurd"),
            ("ext4", "sda"), ("ext4", "-m0 10M"), ("ext4", "/dev/sda"), ("ext4", "--"), ("ext4", "-- -n"),
            ("ext4", "-"),
            ("ext4", "-M mnt"), ("ext4", "-L ../x"), ("ext4", "-m"), ("ext4", "-x"), ("ext4", "-b /etc/passwd"),
            ("ext4", "-R offset=1"), ("xfs", "-N"), ("xfs", "-KN"), ("xfs", "-f"), ("xfs", "-qf"), ("xfs", "-C"),
            ("xfs", "-V"),
            ("xfs", "-p proto"), ("xfs", "-qpproto"), ("xfs", "-c options=x"), ("xfs", "-coptions=x"),
            ("xfs", "-d name=sda"), ("xfs", "-dname=sda"), ("xfs", "-d agcount=4,file=1,name=x"),
            ("xfs", "-d size=10m"),
            ("xfs", "-l logdev=sda"), ("xfs", "-lname=sda"), ("xfs", "-l internal=0,logdev=x"), ("xfs", "-r rtdev=sda"),
            ("xfs", "-rrtdev=sda"), ("xfs", "-m uuid=1"), ("xfs", "--unsupported"), ("xfs", "sda"), ("xfs", "-L"),
        ]
    )
    func refused(fileSystem: String, text: String) {
        #expect { try MkfsOptions(text, for: fileSystem) } throws: {
            ($0 as? VolumeError)?.code == .invalidArgument
        }
    }

    @Test(
        "Options whose file system no node could use are refused for a new volume, and pass for one that is made",
        arguments: [
            ("xfs", "-m crc=0"), ("xfs", "-m crc=0,finobt=0"), ("xfs", "-n version=ci"), ("xfs", "-d agcount=20000"),
            ("ext4", "-O mmp -E mmp_update_interval=99999"), ("xfs", "-m crc=00"), ("xfs", "-m crc=0x0"),
            ("xfs", "-m finobt=0,crc=+0"), ("xfs", "-n version=CI"), ("xfs", "-n version=Ci"),
            ("xfs", "-d agcount=0x4e20"), ("xfs", "-d agcount=047040"),
            ("ext4", "-O mmp -E mmp_update_interval=0x200"), ("ext4", "-O mmp -E mmp_update_interval=0777"),
            ("ext4", "-O mmp -E mmp_update_interval=5,mmp_update_interval=0X200"),
        ]
    )
    func useless(fileSystem: String, text: String) throws {
        #expect { try MkfsOptions(text, for: fileSystem) } throws: {
            ($0 as? VolumeError)?.code == .invalidArgument && "\($0)".contains("correct mkfsOptions")
        }
        #expect(throws: Never.self) { try MkfsOptions(text, for: fileSystem, isMade: true) }
    }

    @Test("A usage type that has small blocks has the largest size of small blocks", arguments: ["small", "floppy"])
    func usageTypes(type: String) throws {
        let small = try MkfsOptions("-b 1024", for: "ext4").largestBytes
        #expect(try MkfsOptions("-T \(type)", for: "ext4").largestBytes == small)
        #expect(try MkfsOptions("-T \(type) -b 4096", for: "ext4").largestBytes == 16 * small)
    }

    @Test(
        "A number means the same however it is written",
        arguments: [
            ("ext4", ["-O bigalloc -C 65536", "-O bigalloc -C 0x10000", "-O bigalloc -C 64K", "-O bigalloc -C 128s"]),
            ("ext4", ["-g 1024", "-g 0x400", "-g 02000"]), ("ext4", ["-J size=64", "-J size=0x40", "-J size=0100"]),
            ("xfs", ["-d agcount=64", "-d agcount=0x40", "-d agcount=0100"]),
            (
                "xfs",
                ["-d agsize=1g", "-d agsize=1G", "-d agsize=0x40000000", "-d agsize=262144b", "-d agsize=2097152s"]
            ),
        ]
    )
    func numbers(fileSystem: String, texts: [String]) throws {
        let limits = try Set(
            texts.map { text in
                let options = try MkfsOptions(text, for: fileSystem)
                return [options.smallestBytes, options.largestBytes]
            }
        )
        #expect(limits.count == 1, "\(limits)")
        #expect(
            try limits != [
                [MkfsOptions("", for: fileSystem).smallestBytes, MkfsOptions("", for: fileSystem).largestBytes]
            ]
        )
    }

    @Test(
        "The least size is what mkfs itself takes",
        arguments: [
            ("xfs", ""), ("xfs", "-d agcount=64"), ("xfs", "-l size=128m"), ("xfs", "-d agcount=0x40"), ("ext4", ""),
            ("ext4", "-b 4096"),
            ("ext4", "-J size=64"), ("ext4", "-J size=0x40"),
        ]
    )
    func least(fileSystem: String, text: String) throws {
        let options = try MkfsOptions(text, for: fileSystem)
        guard has(fileSystem) else { return }
        let file = "/tmp/nacre-least-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let words = options.words.joined(separator: " ")
        let mkfs = "truncate -s \(options.smallestBytes) \(file) && mkfs.\(fileSystem) -q \(words) \(file)"
        #expect(run("\(mkfs); s=$?; rm -f \(file); test $s = 0") == 0, "\(mkfs)")
        guard fileSystem == "xfs", text.isEmpty else { return }
        // And nothing less.
        let less = "truncate -s \(options.smallestBytes - (1 << 20)) \(file) && mkfs.xfs -q \(file)"
        #expect(run("\(less); s=$?; rm -f \(file); test $s = 0") != 0)
    }

    @Test("A size below the least is rounded up within the limit, and refused beyond it")
    func rounding() throws {
        let least: UInt64 = 300 << 20
        #expect(try CapacityRange(requiredBytes: 1, limitBytes: 0).newSizeBytes(atLeast: least, for: "xfs") == least)
        #expect(
            try CapacityRange(requiredBytes: 1, limitBytes: 300 << 20).newSizeBytes(atLeast: least, for: "xfs") == least
        )
        #expect(
            try CapacityRange(requiredBytes: 1 << 30, limitBytes: 0).newSizeBytes(atLeast: least, for: "xfs") == 1 << 30
        )
        #expect {
            try CapacityRange(requiredBytes: 1, limitBytes: 299 << 20).newSizeBytes(atLeast: least, for: "xfs")
        } throws: {
            ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains("xfs") && "\($0)".contains("300 MiB")
        }
    }

    @Test(
        "Mount options that concern one mount are taken",
        arguments: [
            ["noatime"], ["discard", "nodev,nosuid"], ["errors=remount-ro"], ["data=ordered", "commit=30"],
            ["defaults"],
            ["_netdev", "x-systemd.device-timeout=30"], ["barrier=1"],
            ["context=system_u:object_r:container_file_t:s0"],
        ]
    )
    func mountTaken(flags: [String]) {
        #expect(MountFlags.refusal(of: flags, on: "ext4") == nil)
    }

    @Test(
        "Mount options that reach further are refused, however they are written",
        arguments: [
            ["loop"], ["loop=/dev/loop3"], ["noatime,bind"], ["noatime", "remount"], ["errors=panic"], ["errors=halt"],
            ["journal_dev=0x801"], ["journal_path=/dev/sda"], ["logdev=/dev/sda"], ["rtdev=/dev/sda"], ["sb=131072"],
            ["norecovery"], ["noload"], ["nobarrier"], ["barrier=0"], ["abort"], ["offset=4096"], ["noatime,\u{0}"],
            ["no such"], ["NOATIME"], ["usrjquota=/etc/passwd"], ["test_dummy_encryption"], ["allocsize=64k"],
        ]
    )
    func mountRefused(flags: [String]) {
        #expect(MountFlags.refusal(of: flags, on: "ext4") != nil)
    }
}
