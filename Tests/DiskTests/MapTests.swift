import Glibc
import LinuxKernel
import Testing

@Suite(
    "The map of a disk is to scale",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")")
)
struct MapTests {
    /// The cells between the brackets of the line with this title.
    private func cells(_ title: String, _ output: String) throws -> [Character] {
        let line = try #require(output.split(separator: "\n").first { $0.hasPrefix("  \(title) ") }, "\(output)")
        return Array(line.split(separator: "[")[1].prefix { $0 != "]" })
    }

    @Test("Partitions, a file system, an OSD and the table are where sgdisk and mkfs put them")
    func places() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 1 << 30)
        // One cell is 16 MiB: the second quarter is an ext4, the fourth eighth of the rest an OSD's label.
        try lab.sh("sgdisk -o -n 1:524288:1048575 -n 2:1572864:1835007 \(disk.file)")
        try lab.sh("mkfs.ext4 -q -E offset=$((256 << 20)) \(disk.file) 256M")
        try disk.write(fixture: "bluestore-single", at: 768 << 20)
        let output = lab.nacre("inspect \(disk.loop)").output
        let map = try cells("map", output)
        #expect(map.count == 64)
        #expect(map[0] == "T" && map[63] == "T", "\(output)")
        #expect(map[1..<16].allSatisfy { $0 == "." } && map[32..<48].allSatisfy { $0 == "." }, "\(output)")
        #expect(map[16] == "#" && map[17..<32].allSatisfy { $0 == "p" }, "\(output)")
        #expect(map[48] == "#" && map[49..<56].allSatisfy { $0 == "O" } && map[56] == ".", "\(output)")
        #expect(!output.contains("\u{1B}["))
        let plan = try cells("erases", lab.nacre("plan \(disk.loop) --fsid \(DiskLab.cluster) --content ext4").output)
        #expect(plan[0] == "x" && plan[63] == "x" && plan[48] == "x" && plan[16] == "x")
    }

    @Test(
        "A terminal has colours, unless it wants none",
        .enabled(if: OracleTests.has("script"), "needs script"),
        arguments: [("TERM=xterm", true), ("TERM=xterm NO_COLOR=1", false), ("TERM=dumb", false)]
    )
    func colours(environment: String, isColoured: Bool) throws {
        let lab = try DiskLab()
        let disk = try lab.disk()
        try lab.sh("mkswap \(disk.file)")
        try disk.flush()
        let command = "env -u NO_COLOR \(environment) script -qec \"\(DiskLab.program) inspect \(disk.loop)\" /dev/null"
        let shown = DiskLab.run(command, limit: 60).output
        #expect(shown.contains("map") && shown.contains("\u{1B}[") == isColoured, "\(shown)")
    }

    @Test("Marks that repeat have one line")
    func repeated() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("disk", 128 << 20)
        // The rings of uberblocks as libblkid looks for them; what they hold does not matter to what is told of them.
        for ring in [131072, 393216] {
            for number in 0..<128 {
                try disk.write([0x0C, 0xB1, 0xBA, 0, 0, 0, 0, 0], at: UInt64(ring + number * 1024))
            }
        }
        let output = lab.nacre("inspect \(disk.loop)").output
        let lines = output.split(separator: "\n").filter { $0.contains("zfs_member") && $0.contains("byte") }
        #expect(lines.count == 1 && lines[0].contains("at 256 places from byte 131072 to 523264"), "\(output)")
    }
}
