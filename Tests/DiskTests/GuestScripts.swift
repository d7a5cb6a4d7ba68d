import Glibc
import LinuxKernel
import Testing

@Suite(
    "What needs a kernel with more in it than the host's",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"),
    .enabled(if: access("/usr/bin/linux.uml", X_OK) == 0, "needs user-mode-linux")
)
struct GuestScripts {
    /// A script for a guest, and how many cases it has at least.
    struct Script: Sendable, CustomTestStringConvertible {
        let name: String
        let about: String
        let cases: Int

        var testDescription: String { about }
    }

    @Test(
        "Its cases hold",
        arguments: [
            Script(
                name: "mapper",
                about: "stacks of the device mapper are taken down in order, or not at all",
                cases: 66
            ),
            Script(
                name: "headers",
                about: "what lies behind a header has an owner, and goes with the header",
                cases: 102
            ),
            Script(
                name: "paths",
                about: "a disk that another node or another host uses is left alone",
                cases: 58
            ),
        ]
    )
    func guest(script: Script) throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let path = "/\(root)/Tests/DiskTests/Guest/\(script.name).sh"
        let fixtures = "/\(root)/Tests/BlockDevicesTests/Fixtures"
        let guest = "/\(root)/tools/kernel-lab run --memory 1536M --timeout 540"
        let ran = DiskLab.run("\(guest) -- bash \(path) \(DiskLab.program) \(fixtures)", limit: 600)
        let lines = ran.output.split(whereSeparator: \.isNewline).map(String.init)
        for line in lines where line.hasPrefix("not ok ") { Issue.record("\(line)") }
        #expect(lines.filter { $0.hasPrefix("ok ") }.count >= script.cases, "\(ran.status) \(ran.errors.suffix(2000))")
        #expect(lines.contains("done"), "\(ran.errors.suffix(2000))")
    }
}
