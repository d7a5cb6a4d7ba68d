import Foundation
import Glibc
import LinuxKernel
import TestSupport
import Testing

/// Whether this is a mount namespace of our own, with a Ceph, and with FUSE for the devices.
private var canMount: Bool {
    MicroCluster.isThere && ProcessInfo.processInfo.environment["NACRE_OWN_MOUNTS"] != nil
        && FileManager.default.fileExists(atPath: "/dev/fuse")
}

/// `nacre volume mount` and what belongs to it, on real devices.
@Suite(
    "Mounting from the command line",
    .enabled(if: canMount, Comment(rawValue: MicroCluster.lack))
)
struct MountCommandTests {
    /// A service with a node's side, its commands, and a directory to mount below.
    func with(_ body: (NacreCommand, NacreCommand, String) async throws -> Void) async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        let process = try await service.start(["--node-id", "worker-7", "--mounter", "fuse"])
        let nacre = NacreCommand(service, cluster: cluster)
        var node = nacre
        node.environment["NACRE_SECRET_DIR"] = cluster.nodeSecret
        try await body(nacre, node, service.directory)
        #expect(try await process.stop() == .exited(0))
    }

    private func fileSystem(at path: String) throws -> String? {
        try MountTable.current().mount(at: path)?.fileSystem
    }

    func bytes(at path: String) throws -> UInt64 { try FileSystemUsage(of: path).totalBytes }

    @Test("The file system that create was told is made, kept, grown where it is mounted, and not asked for again")
    func life() async throws {
        try await with { nacre, node, directory in
            let name = "life-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            #expect(try await nacre("volume create \(name) --pool rbd --size 400MiB --fs xfs").status == 0)
            let other = try await nacre("volume create \(name) --pool rbd --size 400MiB --fs ext4")
            #expect(other.status == 73 && other.notes.contains("xfs"), "\(other)")
            let refused = try await node("volume mount \(name) \(path) --fs ext4")
            #expect(
                refused.status == 1 && refused.notes.contains("xfs") && refused.notes.contains("'\(name)'"),
                "\(refused)"
            )
            for _ in 0..<2 {
                let mounted = try await node("volume mount \(name) \(path)")
                #expect(mounted.status == 0 && mounted.output == path + "\n", "\(mounted)")
                #expect(try fileSystem(at: path) == "xfs")
                #expect(try await nacre("volume list").output.contains("worker-7:\(path)"))
                #expect(try await nacre("volume unmount \(name)").status == 0)
                #expect(try await nacre("volume unmount \(name)").status == 0)
            }
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            let busy = try await nacre("volume delete \(name) --yes")
            #expect(busy.status == 1 && busy.notes.contains(path), "\(busy)")
            // A wrong path grows nothing; none grows what is mounted here.
            let before = try bytes(at: path)
            let wrong = try await nacre("volume expand \(name) --size 500MiB --path \(directory)")
            #expect(wrong.status == 66 && wrong.notes.contains("nothing has grown"), "\(wrong)")
            #expect(wrong.notes.contains(path), "\(wrong)")
            #expect(try await nacre("volume show \(name) -o json").output.contains("\(400 << 20)"))
            let grown = try await nacre("volume expand \(name) --size 500MiB")
            #expect(grown.status == 0 && grown.output.contains(path) && grown.notes.isEmpty, "\(grown)")
            #expect(try bytes(at: path) >= before + 90 << 20)
            #expect(try await nacre("volume expand \(name) --size 500MiB --path \(path)").status == 0)
            #expect(try await nacre("volume unmount \(path)").status == 0)
            #expect(try fileSystem(at: path) == nil)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A volume that was unmounted by hand is not shown where it was, and is mounted there again")
    func unmountedByHand() async throws {
        try await with { nacre, node, directory in
            let name = "by-hand-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4").status == 0)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            #expect(try await nacre("volume show \(name)").output.contains("worker-7:\(path)"))
            try await MicroCluster.current?.execute("umount", path)
            let shown = try await nacre("volume show \(name)")
            #expect(shown.output.contains("worker-7") && !shown.output.contains("worker-7:\(path)"), "\(shown)")
            #expect(shown.output.contains("abnormal: it is not at '\(path)' any more"), "\(shown)")
            #expect(shown.output.contains("nacre volume mount \(name) \(path)"), "\(shown)")
            #expect(try await !nacre("volume list").output.contains("worker-7:\(path)"))
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            let again = try await nacre("volume show \(name)")
            #expect(again.output.contains("worker-7:\(path)") && again.output.contains("well"), "\(again)")
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("What somebody mounted where a volume was is called that, not a dead device")
    func strangersMount() async throws {
        try await with { nacre, node, directory in
            let name = "stranger-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4").status == 0)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            try await MicroCluster.current?.execute("sh", "-ec", "umount \(path); mount -t tmpfs theirs \(path)")
            let shown = try await nacre("volume show \(name)")
            #expect(shown.output.contains("abnormal: something else is mounted at '\(path)'"), "\(shown)")
            #expect(shown.output.contains("theirs (tmpfs)") && !shown.output.contains("dead device"), "\(shown)")
            try await MicroCluster.current?.execute("umount", path)
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("What is mounted read-only follows later: the image grows, which is no failure, and the rest is said")
    func growsLater() async throws {
        try await with { nacre, node, directory in
            let name = "later-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4").status == 0)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await node("volume mount \(name) \(path) --read-only").status == 0)
            let grown = try await nacre("volume expand \(name) --size 128MiB")
            #expect(grown.status == 0 && grown.output.contains("128MiB"), "\(grown)")
            #expect(grown.notes.contains("has not grown") && grown.notes.contains("read-only"), "\(grown)")
            #expect(!grown.output.contains("file system"), "\(grown)")
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A volume whose image was swapped since it was mounted is not grown at all")
    func swapped() async throws {
        try await with { nacre, node, directory in
            let name = "swapped-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4").status == 0)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            let handle = try await nacre("volume show \(name)").output.split(separator: "\n")
                .first { $0.hasPrefix("IMAGE ") }?.split(separator: " ").last
            let image = String(try #require(handle))
            try await MicroCluster.current?.execute(
                "sh",
                "-ec",
                "rbd mv \(image) rbd/\(name)-aside; rbd cp --no-progress rbd/\(name)-aside \(image)"
            )
            let grown = try await nacre("volume expand \(name) --size 128MiB")
            #expect(grown.status == 1 && grown.notes.contains("was left as it is"), "\(grown)")
            #expect(try await nacre("volume show \(name) -o json").output.contains("\(64 << 20)"))
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume expand \(name) --size 128MiB").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
            try await MicroCluster.current?.execute("rbd", "rm", "--no-progress", "rbd/\(name)-aside")
        }
    }

    @Test("A plan of a delete that would be refused says so, and ends as the delete does")
    func refusedPlan() async throws {
        try await with { nacre, node, directory in
            let name = "tied-\(UInt32.random(in: 0...UInt32.max))"
            let made = try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4 --quiet")
            let image = try #require(made.output.split(whereSeparator: { "/\n".contains($0) }).last)
            #expect(try await nacre("volume delete \(name) --plan").status == 0)
            for (deed, undoing, word) in [
                (
                    "rbd snap create --no-progress rbd/\(image)@s", "rbd snap purge --no-progress rbd/\(image)",
                    "snapshot s"
                ),
                (
                    "rbd lock add rbd/\(image) by-hand",
                    "rbd lock rm rbd/\(image) by-hand $(rbd lock ls rbd/\(image) | "
                        + "awk '/client/ {print $1}')", "rbd lock rm"
                ),
            ] {
                try await MicroCluster.current?.execute("sh", "-ec", deed)
                let plan = try await nacre("volume delete \(name) --plan")
                #expect(plan.status == 1 && plan.notes.contains(word), "\(plan)")
                #expect(plan.notes.contains("would not be deleted") && !plan.output.contains("for good"), "\(plan)")
                try await MicroCluster.current?.execute("sh", "-ec", undoing)
            }
            #expect(try await node("volume mount \(name) \(directory)/mnt").status == 0)
            var stranger = nacre
            stranger.environment["NACRE_STATE_DIR"] = "\(directory)/none"
            let used = try await stranger("volume delete \(name) --plan")
            #expect(used.status == 1 && used.notes.contains("worker-7"), "\(used)")
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --plan").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A volume that a service with another state directory has is said to be there, not to be fenced nor released")
    func otherStateDirectory() async throws {
        let cluster = try #require(MicroCluster.current)
        let service = try NacreProcess(cluster)
        let flags = ["--node-id", "worker-7", "--mounter", "fuse"]
        var node = NacreCommand(service, cluster: cluster)
        node.environment["NACRE_SECRET_DIR"] = cluster.nodeSecret
        let name = "elsewhere-\(UInt32.random(in: 0...UInt32.max))"
        let (path, state) = ("\(service.directory)/mnt", "\(service.directory)/state")

        let first = try await service.start(flags)
        #expect(
            try await NacreCommand(service, cluster: cluster)("volume create \(name) --pool rbd --size 64MiB").status
                == 0
        )
        #expect(try await node("volume mount \(name) \(path)").status == 0)
        var elsewhere = NacreCommand(service, cluster: cluster)
        elsewhere.environment["NACRE_STATE_DIR"] = "\(service.directory)/other"
        for line in ["volume show \(name)", "volume expand \(name) --size 72MiB"] {
            let told = try await elsewhere(line)
            #expect(told.status == 0 && told.notes.contains("--state-dir \(state)"), "\(told)")
            #expect(!told.notes.contains("on that machine"), "\(told)")
        }
        #expect(try await first.stop() == .exited(0))

        let other = try await service.start(flags + ["--state-dir", "\(service.directory)/other"])
        let refused = try await node("volume unmount \(name)")
        #expect(refused.status == 1 && refused.notes.contains("state directory '\(state)'"), "\(refused)")
        #expect(try fileSystem(at: path) == "ext4")
        try await cluster.execute("sh", "-c", "umount \(path); umount \(state)/cli/*/staging")
        let left = try await node("volume unmount \(name)")
        #expect(left.status == 1 && left.notes.contains("still mapped"), "\(left)")
        let mounted = try await node("volume mount \(name) \(path)")
        #expect(mounted.status == 1 && mounted.notes.contains("state directory '\(state)'"), "\(mounted)")
        #expect(!mounted.notes.contains("fence"), "\(mounted)")
        #expect(try await other.stop() == .exited(0))

        let again = try await service.start(flags)
        #expect(try await node("volume unmount \(name)").status == 0)
        #expect(try await NacreCommand(service, cluster: cluster)("volume delete \(name) --yes").status == 0)
        #expect(try await again.stop() == .exited(0))
    }

    @Test("A mounted volume whose image was renamed is not taken for the volume that was made under its name")
    func replaced() async throws {
        try await with { nacre, node, directory in
            let name = "anew-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            let id = try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4 --quiet")
            let image = try #require(id.output.split { $0 == "/" || $0 == "\n" }.last)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            try await MicroCluster.current?.execute("touch", "\(path)/former")
            try await MicroCluster.current?.execute("rbd", "rename", "rbd/\(image)", "rbd/\(image)-aside")
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4").status == 0)
            let again = try await node("volume mount \(name) \(path)")
            #expect(again.status != 0 && again.notes.contains("'rbd/\(image)-aside'"), "\(again)")
            #expect(again.notes.contains("nacre volume unmount"), "\(again)")
            let shown = try await nacre("volume show \(name)")
            #expect(shown.output.contains("abnormal") && shown.output.contains("is another one"), "\(shown)")
            #expect(try await !nacre("volume list").output.contains(path))
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            #expect(!FileManager.default.fileExists(atPath: "\(path)/former"))
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
            try await MicroCluster.current?.execute("rbd", "rm", "--no-progress", "rbd/\(image)-aside")
        }
    }

    @Test("A volume that was made as a raw device is mapped, never formatted, and called by its name")
    func block() async throws {
        try await with { nacre, node, directory in
            let name = "raw-\(UInt32.random(in: 0...UInt32.max))"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --block").status == 0)
            let refused = try await node("volume mount \(name) \(directory)/mnt")
            #expect(refused.status == 1 && refused.notes.contains("raw block"), "\(refused)")
            let mapped = try await node("volume map \(name)")
            let device = mapped.output.trimmingCharacters(in: .newlines)
            #expect(mapped.status == 0 && FileManager.default.fileExists(atPath: device), "\(mapped)")
            let first = try OwnedDescriptor(opening: device, O_RDONLY).readToEnd(limit: 64 << 20)
            #expect(first.allSatisfy { $0 == 0 }, "it was formatted")
            let wrong = try await nacre("volume unmount \(name)")
            #expect(wrong.status == 1 && wrong.notes.contains("nacre volume unmap \(name)"), "\(wrong)")
            let grown = try await nacre("volume expand \(name) --size 128MiB")
            #expect(grown.status == 0 && grown.output.contains("device"), "\(grown)")
            #expect(try await nacre(["volume", "unmap", device]).status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A volume that is not at the path of its record is not shown there, and a new one of its name has no record")
    func staleUse() async throws {
        try await with { nacre, node, directory in
            let name = "stale-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            let create = "volume create \(name) --pool rbd --size 64MiB --fs ext4"
            #expect(try await nacre(create).status == 0)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            #expect(try await nacre("volume list").output.contains(path))
            // What a command leaves that ran out of time.
            let uses = "\(directory)/state/cli"
            let kept = "\(directory)/kept"
            try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: true)
            let cluster = try #require(MicroCluster.current)
            try await cluster.execute("sh", "-ec", "cd \(uses) && cp --parents */use.json \(kept)")
            #expect(try await node("volume unmount \(name)").status == 0)
            try await cluster.execute("sh", "-ec", "cp -a \(kept)/. \(uses)/; test -e \(uses)/*/use.json")
            #expect(try await !nacre("volume list").output.contains(path))
            let shown = try await nacre("volume show \(name)").output.split(separator: "\n")
            #expect(!shown.contains { $0.hasPrefix("USED BY") }, "\(shown)")
            #expect(shown.contains { $0.contains("not at '\(path)' any more") }, "\(shown)")
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
            try await cluster.execute("sh", "-ec", "! test -e \(uses)/*/use.json")
            #expect(try await nacre(create).status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test(
        "What was mounted by its handle is unmounted by its name; a copy takes no name; a lost name comes back as shown"
    )
    func namesAndHandles() async throws {
        try await with { nacre, node, directory in
            let cluster = try #require(MicroCluster.current)
            let name = "handle-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            let made = try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4 -q")
            let handle = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
            let image = String(handle.split(separator: "/").last ?? "")
            #expect(try await node("volume mount \(handle) \(path)").status == 0)
            try await cluster.execute("sh", "-ec", "echo kept > \(path)/file && sync \(path)/file")
            #expect(try await node("volume unmount \(name)").status == 0)
            #expect(try MountTable.current().mount(at: path) == nil)

            // It keeps the end of the image's name.
            try await cluster.execute("rbd", "cp", "--no-progress", "rbd/\(image)", "rbd/old-\(image)")
            let shown = try await nacre("volume show \(name)")
            #expect(shown.status == 0 && shown.output.contains(handle), "\(shown)")
            // Adopted, it is a volume of its own name.
            let adopt = "rbd image-meta set rbd/old-\(image) nacre.io/adopted rbd/old-\(image)"
            try await cluster.execute("sh", "-ec", adopt)
            #expect(try await nacre("volume show \(name)").output.contains(handle))

            try await cluster.execute("rados", "-p", "rbd", "rm", "rbd_id.\(image)")
            let lost = try await nacre("volume show \(handle)").output
            let told = lost.firstMatch(of: /to have it back with its data: (printf [^;]+ -)\);/)
            let command = try #require(told?.output.1, "\(lost)")
            try await cluster.execute("sh", "-ec", String(command))
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            let file = try await cluster.execute("cat", "\(path)/file")
            #expect(file == "kept\n")
            #expect(try await node("volume unmount \(name)").status == 0)

            // An empty image grows, as an advice to begin anew has it.
            try await cluster.execute(
                "sh",
                "-ec",
                "rbd resize --no-progress --allow-shrink --size 0 rbd/old-\(image)"
            )
            #expect(try await nacre("volume expand rbd/old-\(image) --size 16MiB").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
            // Not the one that was adopted.
            #expect(try await nacre("volume delete \(name) --yes").notes.contains("nothing was deleted"))
            #expect(try await nacre("volume delete rbd/old-\(image) --yes").status == 0)
        }
    }
}
