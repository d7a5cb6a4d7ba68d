import Glibc
import Testing
import Volumes

@testable import NodeVolumes

/// The oracle is mkfs on a file of that size: what it refuses there, it must have refused when it was asked.
@Suite("What mkfs would say")
struct MkfsTrialTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let fileSystem: String
        let options: String
        var sizeBytes: UInt64 = 1 << 30

        var testDescription: String { "\(fileSystem) \(options)" }
    }

    private static let xfs = [
        "-d agsize=32m", "-d agsize=63m", "-d agsize=64m", "-d agsize=65m", "-d agsize=32m -l size=16m",
        "-d agsize=100m,agcount=4", "-d agcount=100", "-d agcount=16", "-d agcount=15", "-d su=64k", "-d sw=4",
        "-d su=64k,sw=4", "-d su=3000,sw=2", "-d su=64k,sw=4,noalign", "-d sunit=128,swidth=500", "-i size=256",
        "-i size=4096", "-i size=1024", "-i size=2048 -b size=1024", "-i attr=1", "-i maxpct=101", "-b size=512",
        "-b size=65536", "-b size=3000", "-l size=500m", "-l size=80m", "-l agnum=9", "-l version=1", "-l su=512k",
        "-m crc=0,finobt=1", "-m finobt=0,inobtcount=1", "-m rmapbt=1", "-n size=1024", "-n ftype=0", "-s size=8192",
        "-s size=4096 -b size=1024", "-l sectsize=4096", "-L 1234567890123", "-b size=4096 -b size=4096",
        "-m autofsck=1", "-d agcount=0", "-d agcount", "-K",
    ]
    private static let ext4 = [
        "-I 64", "-I 8192", "-b 1024 -I 2048", "-b 1024 -I 1024", "-i 512", "-i 67108865", "-i 65536", "-N 100000000",
        "-N 1000", "-C 65536", "-O bigalloc -C 65536", "-O bigalloc -C 3000", "-g 100", "-g 256", "-G 15", "-G 16",
        "-J size=1", "-J size=1000", "-J size=64", "-m 51", "-m 50", "-O ^extent -O bigalloc", "-O meta_bg",
        "-O meta_bg,^resize_inode", "-O project -I 128", "-O inline_data -I 128", "-E encoding=foo", "-E stride=foo",
        "-E stride=16,stripe_width=64", "-E resize=1", "-E quotatype=foo", "-E num_backup_sb=5", "-E hash_seed=foo",
        "-E encoding_flags=strict", "-m0",
        // What a dry run does not get to.
        "-O bigalloc -C 268435456", "-O bigalloc -C 512m", "-O bigalloc -C 0x100000",
    ]
    static let cases =
        xfs.map { Case(fileSystem: "xfs", options: $0) } + ext4.map { Case(fileSystem: "ext4", options: $0) }
        + [
            Case(fileSystem: "xfs", options: "-d agcount=1", sizeBytes: 2 << 40),
            Case(fileSystem: "ext4", options: "-J size=64", sizeBytes: 100 << 20),
        ]

    @Test("What mkfs refuses is refused before, with its reason; what it takes is taken", arguments: cases)
    func asMkfs(asked: Case) async throws {
        let options = try MkfsOptions(asked.options, for: asked.fileSystem, isMade: true)
        let trial = MkfsTrial()
        let reason = await trial.refusal(of: asked.fileSystem, options, sizeBytes: asked.sizeBytes)
        let file = "/tmp/nacre-trial-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let words = options.words.joined(separator: " ")
        let mkfs = "truncate -s \(asked.sizeBytes) \(file) && mkfs.\(asked.fileSystem) -q \(words) \(file)"
        let isTaken = system("{ \(mkfs); s=$?; rm -f \(file); test $s = 0; } > /dev/null 2>&1") == 0
        #expect((reason == nil) == isTaken, "\(reason ?? "taken")")
        #expect(reason?.isEmpty != true && reason?.lowercased().contains("usage:") != true, "\(reason ?? "")")
        // Its answer is kept.
        #expect(await trial.refusal(of: asked.fileSystem, options, sizeBytes: asked.sizeBytes) == reason)
    }

    @Test(
        "Options that make more groups than a node can do with are refused with their number, also under -q",
        arguments: [
            (Case(fileSystem: "xfs", options: "-d agsize=80m", sizeBytes: 1 << 40), "13108 allocation groups"),
            (Case(fileSystem: "xfs", options: "-q -d agcount=20000", sizeBytes: 5 << 40), "20000 allocation groups"),
            (Case(fileSystem: "ext4", options: "-q -b 1024 -g 256", sizeBytes: 513 << 30), "2101248 block groups"),
            // A label that reads as a report.
            (
                Case(fileSystem: "ext4", options: "-L x,1,block,group -b 1024 -g 256", sizeBytes: 513 << 30),
                "2101248 block groups"
            ), (Case(fileSystem: "ext4", options: "-v -T floppy", sizeBytes: 9 << 40), "1179648 block groups"),
        ]
    )
    func groups(asked: Case, words: String) async throws {
        let options = try MkfsOptions(asked.options, for: asked.fileSystem, isMade: true)
        let reason = await MkfsTrial().refusal(of: asked.fileSystem, options, sizeBytes: asked.sizeBytes)
        #expect(reason?.contains(words) == true, "\(reason ?? "taken")")
        // A tenth of it will do.
        let tenth = await MkfsTrial().refusal(
            of: asked.fileSystem,
            options,
            sizeBytes: (asked.sizeBytes / (10 << 20)) << 20
        )
        #expect(tenth == nil || asked.options.contains("agcount"), "\(tenth ?? "")")
    }

    @Test(
        "Groups that no machine has the memory for a dry run with are refused all the same, and large sizes with few are taken",
        arguments: [
            ("-b 1024 -g 256", "536870912 block groups"),
            ("-b 1024 -g 512 -N 4000000000 -J size=4096", "268435456 block groups"),
            ("-O bigalloc -b 1024 -C 2048 -g 2048", "33554432 block groups"), ("-i 1024", nil), ("-N 4000000000", nil),
            ("-L a,size=1024", nil),
        ]
    )
    func endless(options: String, words: String?) async throws {
        let options = try MkfsOptions(options, for: "ext4", isMade: true)
        let reason = await MkfsTrial().refusal(of: "ext4", options, sizeBytes: 128 << 40)
        #expect(words.map { reason?.contains($0) == true } ?? (reason == nil), "\(reason ?? "taken")")
    }

    @Test(
        "mkfs takes the largest size that is named, and makes no more groups than a node can do with",
        arguments: [
            Case(fileSystem: "xfs", options: "-K"), Case(fileSystem: "xfs", options: "-b size=1024"),
            Case(fileSystem: "xfs", options: "-d agcount=3"), Case(fileSystem: "xfs", options: "-d agsize=0x40000000"),
            Case(fileSystem: "ext4", options: "-O ^64bit"), Case(fileSystem: "ext4", options: "-O ^64bit -b 1024"),
        ]
    )
    func largest(asked: Case) async throws {
        let options = try MkfsOptions(asked.options, for: asked.fileSystem)
        let largest = options.largestBytes
        let trial = MkfsTrial()
        let reason = await trial.refusal(of: asked.fileSystem, options, sizeBytes: largest)
        #expect(reason == nil, "\(reason ?? "")")
        let beyond = await trial.refusal(of: asked.fileSystem, options, sizeBytes: largest / 100 * 101)
        #expect(beyond != nil)
    }

    @Test(
        "The reason is mke2fs's own, not the end of what it says of its usage",
        arguments: [
            ("-E quotatype=foo", "quota type"), ("-E hash_seed=x", "Invalid hash seed"), ("-E stride=foo", "stride"),
            ("-E encoding=foo", "Invalid encoding"), ("-E resize=1", "resize maximum"),
        ]
    )
    func reason(options: String, words: String) async throws {
        let reason = await MkfsTrial().refusal(of: "ext4", try MkfsOptions(options, for: "ext4"), sizeBytes: 1 << 30)
        #expect(reason?.contains(words) == true && reason?.contains("<") == false, "\(reason ?? "taken")")
    }

    @Test("A device without bytes is told as that", arguments: ["ext4", "xfs"])
    func noBytes(fileSystem: String) async throws {
        let file = "/tmp/nacre-empty-\(getpid())-\(fileSystem)"
        defer { unlink(file) }
        let said = try await shell(": > \(file); mkfs.\(fileSystem) \(file) 2>&1 || true")
        #expect(ToolOutput.reason(said) == "its device has no bytes", "\(said)")
    }

    @Test("What is asked many times at once is asked of one mkfs, and many different questions are all answered")
    func together() async throws {
        let trial = MkfsTrial()
        let options = try ["-d agsize=32m", "-d agsize=63m", "-i size=4096", "-i size=1024"].map {
            try MkfsOptions($0, for: "xfs")
        }
        var alone: [String?] = []
        for option in options {
            alone.append(await MkfsTrial().refusal(of: "xfs", option, sizeBytes: 1 << 30))
        }
        let answers = await withTaskGroup(of: (Int, String?).self) { group in
            for index in 0..<80 {
                group.addTask {
                    (index % 4, await trial.refusal(of: "xfs", options[index % 4], sizeBytes: 1 << 30))
                }
            }
            return await group.reduce(into: [(Int, String?)]()) { $0.append($1) }
        }
        #expect(answers.count == 80 && answers.allSatisfy { alone[$0.0] == $0.1 })
        #expect(alone.contains { $0 != nil } && alone.contains(nil))
    }

    @Test("What mkfs says of the machine's memory is no judgement of the options")
    func ofThisMoment() {
        for complaint in [
            "mke2fs: Memory allocation failed while setting up superblock", "mkfs.xfs: Cannot allocate memory",
        ] {
            #expect(MkfsTrial.isOfThisMoment(complaint), "\(complaint)")
        }
        #expect(!MkfsTrial.isOfThisMoment("agsize (8192 blocks) too small, need at least 4096 blocks"))
    }

    @Test("An ext4 without 64bit ends where mkfs says so")
    func withoutWideBlocks() async throws {
        let options = try MkfsOptions("-O ^64bit", for: "ext4")
        let trial = MkfsTrial()
        #expect(await trial.refusal(of: "ext4", options, sizeBytes: options.largestBytes - (1 << 20)) == nil)
        #expect(await trial.refusal(of: "ext4", options, sizeBytes: options.largestBytes + (1 << 20)) != nil)
    }
}
