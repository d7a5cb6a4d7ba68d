import Foundation
import Glibc
import LinuxKernel
import TestSupport
import Testing

/// Commands that look into another state directory than the one that has a volume: the kernel tells that it is there.
extension MountCommandTests {
    /// The same commands with a state directory of their own.
    private func elsewhere(_ nacre: NacreCommand, _ directory: String) -> NacreCommand {
        var other = nacre
        other.environment["NACRE_STATE_DIR"] = "\(directory)/other"
        return other
    }

    /// Runs the command that an error names.
    private func follow(_ answer: NacreCommand.Outcome, _ nacre: NacreCommand) async throws {
        let command = answer.notes.firstMatch(of: /nacre (volume un(?:mount|map) .+)\n/)
        let line = try #require(command?.output.1, "\(answer)")
        let ended = try await nacre(String(line))
        #expect(ended.status == 0 && ended.output.contains("released"), "\(line): \(ended)")
    }

    @Test("A volume that is mounted by another state directory is shown there, and the command that is named ends it")
    func mountedElsewhere() async throws {
        try await with { nacre, node, directory in
            let name = "away-\(UInt32.random(in: 0...UInt32.max))"
            let (path, state) = ("\(directory)/mnt", "\(directory)/state")
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4").status == 0)
            let (other, otherNode) = (elsewhere(nacre, directory), elsewhere(node, directory))
            for target in [name, path] {
                #expect(try await node("volume mount \(name) \(path)").status == 0)
                let shown = try await other("volume show \(name)")
                #expect(shown.output.contains("worker-7:\(path)") && shown.output.contains(" at \(path): "), "\(shown)")
                #expect(shown.output.contains("well") && shown.notes.contains("--state-dir \(state)"), "\(shown)")
                #expect(try await other("volume list").output.contains("worker-7:\(path)"))
                for line in [
                    "volume unmount \(target)", "volume mount \(name) \(path)", "volume mount \(name) \(path)-2",
                    "volume map \(name)", "volume delete \(name) --yes", "volume unmap \(name)",
                ] {
                    let told = try await (line.contains("unm") || line.contains("delete") ? other : otherNode)(line)
                    #expect(told.status == 1 && told.notes.contains("mounted at '\(path)'"), "\(line): \(told)")
                    #expect(told.notes.contains("state directory '\(state)'"), "\(line): \(told)")
                    let end = "nacre volume unmount \(name) --state-dir \(state)"
                    #expect(told.notes.contains(end), "\(line): \(told)")
                }
                #expect(!FileManager.default.fileExists(atPath: "\(path)-2"))
                #expect(try MountTable.current().mount(at: path)?.fileSystem == "ext4")
                try await follow(try await other("volume unmount \(target)"), other)
                #expect(try MountTable.current().mount(at: path) == nil)
            }
            let nothing = try await other("volume unmount \(name)")
            #expect(nothing.status == 0 && nothing.notes.contains("nothing to do"), "\(nothing)")
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test("A volume that is mapped by another state directory is unmapped by the command that is named")
    func mappedElsewhere() async throws {
        try await with { nacre, node, directory in
            let name = "away-\(UInt32.random(in: 0...UInt32.max))"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --block").status == 0)
            let other = elsewhere(nacre, directory)
            let mapped = try await node("volume map \(name)")
            let device = mapped.output.trimmingCharacters(in: .newlines)
            #expect(mapped.status == 0, "\(mapped)")
            for target in [name, device] {
                let told = try await other(["volume", "unmap", target])
                #expect(told.status == 1 && told.notes.contains("mapped at '\(device)'"), "\(told)")
                #expect(told.notes.contains("state directory '\(directory)/state'"), "\(told)")
            }
            try await follow(try await other("volume unmap \(name)"), other)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
        }
    }

    @Test(
        "A copy is not grown in place of the image that this machine has mounted by another state directory",
        arguments: ["", " --direct"]
    )
    func swappedElsewhere(flag: String) async throws {
        try await with { nacre, node, directory in
            let name = "swapped-\(UInt32.random(in: 0...UInt32.max))"
            let path = "\(directory)/mnt"
            #expect(try await nacre("volume create \(name) --pool rbd --size 64MiB --fs ext4").status == 0)
            #expect(try await node("volume mount \(name) \(path)").status == 0)
            let handle = try await nacre("volume show \(name)").output.split(separator: "\n")
                .first { $0.hasPrefix("IMAGE ") }?.split(separator: " ").last
            let image = String(try #require(handle))
            let other = elsewhere(nacre, directory)
            let well = try await other("volume expand \(name) --size 72MiB\(flag)")
            #expect(well.status == 0 && well.notes.contains("--state-dir \(directory)/state"), "\(well)")
            try await MicroCluster.current?.execute(
                "sh",
                "-ec",
                "rbd mv \(image) rbd/\(name)-aside; rbd cp --no-progress rbd/\(name)-aside \(image)"
            )
            let grown = try await other("volume expand \(name) --size 128MiB\(flag)")
            #expect(grown.status == 1 && grown.notes.contains("was left as it is"), "\(grown)")
            #expect(grown.notes.contains("'rbd/\(name)-aside'") && grown.notes.contains(path), "\(grown)")
            #expect(try await nacre("volume show \(name) -o json").output.contains("\(72 << 20)"))
            #expect(try await nacre("volume unmount \(name)").status == 0)
            #expect(try await other("volume expand \(name) --size 128MiB\(flag)").status == 0)
            #expect(try await nacre("volume delete \(name) --yes").status == 0)
            try await MicroCluster.current?.execute("rbd", "rm", "--no-progress", "rbd/\(name)-aside")
        }
    }
}
