import Glibc
import ImageServing
import LinuxKernel
import NodeTestSupport
import NodeVolumes
import TestSupport
import Testing
import Volumes

/// Programs write to a volume, its servers are killed when these were told that their data is stable, and then its node is gone:
/// `tools/lib/test/power-cut`.
extension NodeTests {
    @Test(
        "fuse: killed servers and growth are no error for who writes, and what was stable is there after a power cut",
        arguments: ["ext4", "xfs"]
    )
    func powerCut(fsType: String) async throws {
        let image = "cut-\(fsType)"
        let lab = try await NodeLab.fresh(image, megabytes: 336)
        try await lab.service().stage(lab.stageRequest(image, fsType: nil), deadline: soon)
        try await lab.service().publish(lab.publishRequest(image, fsType: nil), deadline: soon)
        let seconds = getenv("NACRE_POWER_CUT_SECONDS").flatMap { Int(String(cString: $0)) } ?? 6
        let seed = Int.random(in: 1...1_000_000)
        let settings =
            "FILESYSTEM=\(fsType) SEED=\(seed) DEVICE=\(lab.stagingPath(image))/device DIRECTORY=\(lab.directory) "
            + "RECORD=$(echo \(lab.directory)/mappings/*/server.json) PAUSE=0.5"
        let (told, errors) = ("\(lab.directory)/told", "\(lab.directory)/errors")
        let load = powerCutProgram("load")
        try await shell("\(load) make \(settings)")
        async let ended = shell(
            "\(load) storm \(settings) SECONDS=90 > \(told) 2> \(errors); umount \(lab.directory)/volume; true"
        )
        try await Task.sleep(for: .seconds(seconds) / 2)
        try await grow(lab, image, megabytes: 400)
        try await Task.sleep(for: .seconds(seconds) / 2)
        try await eventually("a killed server") {
            try await shell("grep -c '# killed the server' \(told) || true") != "0\n"
        }
        // Whatever the kills did, nobody has noticed them.
        let noticed = try await shell("cat \(errors)")
        #expect(noticed == "", "seed \(seed)")
        try await pullThePlug(lab, image)
        _ = try await rbd("export --no-progress rbd/\(image) \(lab.directory)/image")
        _ = try await ended
        let verdict = try await shell(
            "\(powerCutProgram("judge")) STORM=\(lab.directory)/image TOLD=\(told) FILESYSTEM=\(fsType) SEED=\(seed) "
                + "DIRECTORY=\(lab.directory)/judged"
        )
        print("power cut, \(fsType), seed \(seed): \(verdict)")
        #expect(!verdict.hasPrefix("0 servers"), "no server was killed")
        try await lab.run("down", image, nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("fuse: what a server reads requests into is in memory, and no child of it shares it")
    func readsIntoMemory() async throws {
        let lab = try await NodeLab.fresh("cut-memory", megabytes: 64)
        try await lab.service().stage(lab.stageRequest("cut-memory", fsType: nil), deadline: soon)
        let server = try #require(lab.status("cut-memory")?.server)
        // `dc`: not copied on fork. In KiB: how much there is of it, and how much of that is in memory. See proc_pid_smaps(5).
        let found = try await shell(
            """
            for i in $(seq 50); do
                found=$(awk '/^Size:/ { s = $2 } /^Rss:/ { r = $2 } /^VmFlags:.* dc/ { size += s; rss += r }
                    END { print size + 0, rss + 0 }' /proc/\(server.pid)/smaps)
                set -- $found
                [ $1 -lt 8192 ] || [ $1 != $2 ] || { echo well; exit; }
                sleep 0.1
            done
            echo $found
            """
        )
        #expect(found == "well\n")
        try await lab.run("down", "cut-memory", nil, observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove("cut-memory")
    }

    private func grow(_ lab: NodeLab, _ image: String, megabytes: Int64) async throws {
        _ = try await rbd("resize --no-progress rbd/\(image) --size \(megabytes)M")
        let request = NodeExpandRequest(
            volumeID: lab.handle(image),
            volumePath: lab.targetPath(image),
            stagingPath: "",
            range: try CapacityRange(requiredBytes: megabytes << 20, limitBytes: 0),
            capability: nil
        )
        #expect(try await lab.service().expand(request, deadline: soon) == megabytes << 20)
        #expect(try await shell("blockdev --getsize64 \(lab.targetPath(image))") == "\(megabytes << 20)\n")
    }

    private func powerCutProgram(_ name: String) -> String {
        let root = #filePath.dropLast("Tests/NodeTests/PowerCutTests.swift".count)
        return "/usr/bin/python3 -B \(root)tools/lib/test/power-cut/\(name).py"
    }

    /// Ends all servers of the node at one moment, and refuses what is on its way to the cluster.
    private func pullThePlug(_ lab: NodeLab, _ image: String) async throws {
        // One that is just being started by another has its command line before it has its log.
        func servers() throws -> [ProcessIdentity] {
            try KernelFile.names(in: "/proc").compactMap { Int32($0) }.sorted().compactMap { pid in
                let words = ((try? KernelFile.text("/proc/\(pid)/cmdline")) ?? "").split(separator: "\0")
                return words.contains("image-server") && words.last == lab.directory[...]
                    ? ProcessIdentity(of: pid) : nil
            }
        }
        var stopped: [ProcessIdentity]?
        while let found = Optional(try servers()), found != stopped {
            for server in found { try server.send(SIGSTOP) }
            stopped = found
            try await Task.sleep(for: .milliseconds(50))
        }
        for server in stopped ?? [] { try server.send(SIGKILL) }
        let conf = "\(NodeLab.clusterDirectory ?? "")/ceph.conf"
        // A server that has broken its forerunner's lock, and has none itself yet, watches the image.
        try await shell(
            "{ rbd -c \(conf) lock ls rbd/\(image) | awk 'NR > 2 { print $NF }'; "
                + "rbd -c \(conf) status rbd/\(image) | sed -n 's/.*watcher=\\([^ ]*\\).*/\\1/p'; } "
                + "| sort -u | xargs -rn1 ceph -c \(conf) osd blocklist add"
        )
        _ = try await lab.eventually("end of the servers") { try servers().isEmpty ? true : nil }
    }
}
