import Foundation
import LinuxKernel
import TestSupport
import Testing

/// File systems that grow, and that are damaged, as a person meets them.
extension MountCommandTests {
    @Test("An image that has grown and its file system has not is shown so, with both sizes and the remedy")
    func leftBehind() async throws {
        try await with { nacre, node, directory in
            let name = "behind-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            let id = try await nacre("volume create \(name) --pool rbd --size 400MiB --fs xfs --quiet")
            let image = try #require(id.output.split { $0 == "/" || $0 == "\n" }.last)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            let well = try await nacre("volume show \(name)")
            #expect(well.output.contains("well") && well.output.contains("xfs, "), "\(well)")
            // As another program does it, who tells no node.
            try await MicroCluster.current?.execute("rbd", "resize", "--no-progress", "--size", "2G", "rbd/\(image)")
            let behind = try await nacre("volume show \(name)")
            #expect(behind.output.contains("abnormal") && behind.output.contains("2GiB"), "\(behind)")
            #expect(behind.output.contains("nacre volume expand \(name) --size 2GiB"), "\(behind)")
            #expect(try await nacre("volume expand \(name) --size 2GiB").status == 0)
            #expect(try await nacre("volume show \(name)").output.contains("well"))
            #expect(try bytes(at: path) > 1800 << 20)
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A damaged file system is repaired by the way that the error names", arguments: ["ext4", "xfs"])
    func repair(fileSystem: String) async throws {
        try await with { nacre, node, directory in
            let name = "damaged-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            let made = try await nacre("volume create \(name) --pool rbd --size 400MiB --fs \(fileSystem)")
            #expect(made.status == 0, "\(made)")
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            try await MicroCluster.current?.execute("sh", "-c", "mkdir \(path)/lost && echo kept > \(path)/kept")
            #expect(try await node("volume unmount \(name)").status == 0)
            let unwanted = try await node("volume map \(name)")
            #expect(unwanted.status == 1 && unwanted.notes.contains("map --repair"), "\(unwanted)")

            let mapped = try await node("volume map --repair \(name)")
            let device = mapped.output.trimmingCharacters(in: .newlines)
            #expect(mapped.status == 0, "\(mapped)")
            let harm =
                fileSystem == "ext4"
                ? "debugfs -w -R 'unlink /lost' \(device) && debugfs -w -R 'ssv state 2' \(device)"
                : "dd if=/dev/zero of=\(device) bs=512 seek=1 count=3 conv=notrunc,fsync status=none"
            try await MicroCluster.current?.execute("sh", "-c", harm)
            #expect(try await node("volume unmap \(name)").status == 0)

            let refused = try await node("volume mount \(name) \(path)")
            #expect(refused.status != 0 && refused.notes.contains("damaged"), "\(refused)")
            let way = try #require(refused.notes.firstRange(of: "nacre volume map --repair "))
            let handle = String(refused.notes[way.upperBound...].prefix { $0 != "," })
            let again = try await node("volume map --repair \(handle)")
            #expect(again.status == 0, "\(again)")
            let tool = fileSystem == "ext4" ? "e2fsck -f -y" : "xfs_repair"
            let place = again.output.trimmingCharacters(in: .newlines)
            try await MicroCluster.current?.execute("sh", "-c", "\(tool) \(place); test $? -le 1")
            #expect(try await node("volume unmap \(handle)").status == 0)
            let mounted = try await node("volume mount \(name) \(path)")
            #expect(mounted.status == 0, "\(mounted)")
            #expect(try String(contentsOfFile: "\(path)/kept", encoding: .utf8) == "kept\n")
            #expect(try await node("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test(
        "An ext4 grows while it is mounted; where this host's root may not grow it, its image does, whenever it is asked to"
    )
    func growExt4() async throws {
        try await with { nacre, node, directory in
            let mayGrow = try Capabilities.current().allowsResourceControl
            let name = "ext4-\(UInt32.random(in: 0...UInt32.max))"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4").status == 0)
            #expect(try await node("volume mount \(name) \(directory)/mnt").status == 0)
            for size in [96, 128] {
                let grown = try await nacre("volume expand \(name) --size \(size)MiB")
                #expect(grown.status == 0, "\(grown)")
                #expect(mayGrow || grown.notes.contains("CAP_SYS_RESOURCE"), "\(grown)")
                #expect(try await nacre("volume show \(name) -o json").output.contains("\(size << 20)"))
            }
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A mounted volume with a journal grows: nothing is read through a handle that wants its lock")
    func journal() async throws {
        try await with { nacre, node, directory in
            let name = "journal-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            let features = "--features exclusive-lock,journaling"
            let made = try await nacre("volume create \(name) --pool rbd --size 400MiB --fs xfs \(features)")
            #expect(made.status == 0, "\(made)")
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            let before = try bytes(at: path)
            let grown = try await nacre("volume expand \(name) --size 500MiB")
            #expect(grown.status == 0, "\(grown)")
            #expect(try bytes(at: path) >= before + 90 << 20)
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }
}
