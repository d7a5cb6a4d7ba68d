import LinuxKernel
import Testing

/// What nacre-disk may answer, by scripts in its place: more disks than an Event has room for, and answers that get lost.
extension CleanupTests {
    /// A program that answers a plan, and then does what `erasure` says.
    private func program(_ erasure: String, plan: String = "{}") throws -> String {
        let path = "\(lab.directory)/program"
        try KernelFile.replace("\(path).plan", with: Array(plan.utf8))
        try KernelFile.replace(
            path,
            with: Array("#!/bin/bash\ncase $* in *--plan*) cat \(path).plan ;; *) \(erasure) ;; esac\n".utf8)
        )
        try lab.sh("chmod +x \(path)")
        return path
    }

    /// A plan for disks, as `teardown --plan` tells it.
    private func plan(_ disks: [String]) -> String {
        let plans = disks.map {
            #"{"path":"\#($0)","identity":{"proof":"S3R1AL-OF-\#($0.dropFirst(5))"},"refusals":[]}"#
        }
        return #"{"cluster":"\#(DiskLab.cluster)","plans":[\#(plans.joined(separator: ","))]}"#
    }

    @Test(
        "A plan for many disks has several Events; what has no room is counted, and the log has it",
        arguments: [60, 400]
    )
    func manyDisks(count: Int) throws {
        let disks = (1...count).map { "/dev/disk\($0)" }
        let ran = nacre(words("--confirm \"\"", program: try program("false", plan: plan(disks))))
        #expect(ran.status == 64, "\(ran)")
        let planned = events.filter { $0.reason == "CleanupPlanned" }.map(\.message)
        // The API server takes no longer ones.
        #expect(planned.count == 3 && planned.allSatisfy { $0.utf8.count <= 1024 }, "\(planned)")
        let named = disks.filter { disk in planned.contains { $0.contains("\(disk) (S3R1AL") } }.count
        if count == 60 {
            #expect(named == count, "\(planned)")
        } else {
            #expect(planned.last?.contains("and \(count - named) more, see the pod's log") ?? false, "\(planned)")
        }
        #expect(disks.allSatisfy { ran.output.contains("\($0) (S3R1AL") }, "\(ran.output)")
        #expect(try KernelFile.text("\(lab.directory)/summary").contains("no fsid is confirmed"), "it is not cut off")
    }

    @Test("Where it was running, nobody says that nothing was written; where it did not start, that is said")
    func lostAnswer() throws {
        let flood = try program("head -c 80000000 /dev/zero")
        let lost = nacre(words("--confirm=\(DiskLab.cluster)", program: flood))
        #expect(lost.status == 75 && lost.errors.contains("was running"), "\(lost.errors)")
        #expect(lost.errors.contains("it goes on where it was") && !lost.errors.contains("nothing was written"))
        let none = nacre(words("--confirm=\(DiskLab.cluster)", program: "\(lab.directory)/none"))
        #expect(none.status == 1 && none.errors.contains("nothing was written"), "\(none.errors)")
    }

    @Test("Lines of any length are passed on")
    func longLines() throws {
        let erasure =
            "head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2; echo '{\"complete\":true,\"summary\":\"all\"}'"
        let ran = nacre(words("--confirm=\(DiskLab.cluster)", program: try program(erasure)))
        #expect(ran.status == 0 && ran.errors.contains(String(repeating: "x", count: 300_000)))
    }
}
