import Glibc
import LinuxKernel
import Testing

@Suite(
    "Stacks of the device mapper, in a kernel that has one",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"),
    .enabled(if: access("/usr/bin/linux.uml", X_OK) == 0, "needs user-mode-linux")
)
struct MapperTests {
    @Test("LVM, encryption and partitions are taken down in order, or not at all")
    func guest() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let script = "/\(root)/Tests/DiskTests/Guest/mapper.sh"
        let fixtures = "/\(root)/Tests/BlockDevicesTests/Fixtures"
        let command = "/\(root)/tools/kernel-lab run --timeout 540 -- bash \(script) \(DiskLab.program) \(fixtures)"
        let ran = DiskLab.run(command, limit: 600)
        let lines = ran.output.split(whereSeparator: \.isNewline).map(String.init)
        for line in lines where line.hasPrefix("not ok ") { Issue.record("\(line)") }
        #expect(lines.filter { $0.hasPrefix("ok ") }.count >= 50, "\(ran.status) \(ran.errors.suffix(2000))")
        #expect(lines.contains("done"), "\(ran.errors.suffix(2000))")
    }
}
