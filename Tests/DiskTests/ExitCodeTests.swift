import LinuxKernel
import Testing

@Suite(
    "How the program ends, beside what it says of its ends",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct ExitCodeTests {
    /// A command, in which DISK and FILE stand for a disk with an ext4 and for its file, and how it has to end.
    struct Case: Sendable, CustomTestStringConvertible {
        let command: String
        let status: Int32
        let says: String

        init(_ command: String, _ status: Int32, _ says: String = "") {
            (self.command, self.status, self.says) = (command, status, says)
        }

        var testDescription: String { command }
    }

    @Test(
        "Each command ends as the table says",
        arguments: [
            Case("inspect DISK", 0), Case("exit-codes", 0), Case("zap DISK --content ext4 --plan", 0),
            Case("zap DISK --content ext4 --dry-run", 0), Case("check DISK", 1), Case("gpt verify DISK", 1),
            Case("gpt repair DISK --serial FILE", 1, "has no valid table"), Case("inspect", 64), Case("nothing", 64),
            Case("zap DISK --fsid abc", 64, "is not a UUID"),
            Case("inspect /dev/nobody", 66, "there is no '/dev/nobody'"),
            Case("gpt new /dev/nobody", 66), Case("plan DISK", 77, "--content ext4"),
            Case("zap DISK --serial FILE", 77, "--content ext4"), Case("zap DISK --content ext4", 77, "look at --plan"),
            Case("zap DISK --content ext4 --serial no", 77, "--serial gave 'no'"),
            Case("prepare DISK", 77, "zap it first"),
            Case(
                "teardown --fsid \(DiskLab.cluster)",
                77,
                "look at --plan, then give the fsid once more with --confirm"
            ),
            Case("inspect FILE", 77, "losetup"),
        ]
    )
    func ends(ending: Case) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("mkfs.ext4 -q \(disk.file)")
        try disk.flush()
        let before = try disk.fingerprint()
        let ran = lab.nacre(ending.command.replacing("DISK", with: disk.loop).replacing("FILE", with: disk.file))
        #expect(ran.status == ending.status, "\(ran.output)\(ran.errors)")
        #expect(ran.errors.contains(ending.says) || ran.output.contains(ending.says), "\(ran.output)\(ran.errors)")
        let table = lab.nacre("exit-codes").output.split(separator: "\n")
        #expect(table.contains { $0.split(separator: " ").first == "\(ending.status)" })
        #expect(try disk.fingerprint() == before)
    }
}
