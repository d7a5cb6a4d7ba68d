import Glibc
import LinuxKernel
import RBD
import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

@Suite("Who a node is")
struct NodeIdentityTests {
    private func identity(_ directory: String, _ machine: String?) throws -> NodeIdentity {
        try NodeIdentity.current(name: "worker", stateDirectory: directory, machine: machine)
    }

    @Test("A state directory keeps its number on its machine, and gets another where it was copied to")
    func copies() throws {
        let directory = "/tmp/nacre-identity-\(getpid())"
        defer { try? KernelFile.remove("\(directory)/host"); rmdir(directory) }
        let first = try identity(directory, "dmi:one")
        #expect(try identity(directory, "dmi:one") == first)
        // What cannot be told now, or in another way, says nothing.
        #expect(try identity(directory, nil) == first)
        #expect(try identity(directory, "machine-id:one") == first)
        let copy = try identity(directory, "dmi:two")
        #expect(copy.host != first.host && copy.bootID == first.bootID)
        #expect(try identity(directory, "dmi:two") == copy)
    }

    @Test("A number that an earlier version drew stays, and its machine is noted")
    func earlier() throws {
        let directory = "/tmp/nacre-identity-earlier-\(getpid())"
        try KernelFile.makeDirectories(directory)
        defer { try? KernelFile.remove("\(directory)/host"); rmdir(directory) }
        try KernelFile.replace("\(directory)/host", with: Array("drawn-before\n".utf8))
        #expect(try identity(directory, "dmi:one").host == "drawn-before")
        #expect(try identity(directory, "dmi:two").host != "drawn-before")
    }

    @Test(
        "A state directory of another Node object gets another number, once the node has booted; within a boot it keeps it"
    )
    func nodeObjects() throws {
        let directory = "/tmp/nacre-identity-node-\(getpid())"
        defer { try? KernelFile.remove("\(directory)/host"); rmdir(directory) }
        func note(_ uid: String, _ boot: String) throws -> Bool {
            // Firmware and systemd say the same of a copy.
            try NodeIdentity.note(uid: uid, stateDirectory: directory, machine: "dmi:one", bootID: boot)
        }
        #expect(try !note("node-a", "boot-1"))
        let first = try identity(directory, "dmi:one")
        #expect(first.uid == "node-a" && first.record(address: "10.0.0.7:0/1", mapper: "krbd").nodeUID == "node-a")
        #expect(try !note("node-a", "boot-2"))
        #expect(try identity(directory, "dmi:one") == first)
        // The object was made anew while the node ran: what it holds it holds under its number.
        #expect(try !note("node-b", "boot-2"))
        #expect(try identity(directory, "dmi:one").host == first.host)
        // Copied to another node.
        #expect(try note("node-c", "boot-3"))
        let copy = try identity(directory, "dmi:one")
        #expect(copy.host != first.host && copy.uid == "node-c")
        #expect(try !note("node-c", "boot-3"))
        #expect(try identity(directory, "dmi:one") == copy)
    }

    @Test("Whoever can be fenced has a client of its own in the kernel, whatever the class says")
    func sharing() throws {
        let share = try KernelMapOptions(mapOptions: "share")
        #expect(!KernelRBDMapper.sharesClient(.oneNode, share))
        #expect(KernelRBDMapper.sharesClient(.readers, share) && KernelRBDMapper.sharesClient(.manyNodes, share))
        #expect(try !KernelRBDMapper.sharesClient(.readers, KernelMapOptions(mapOptions: "noshare")))
    }
}
