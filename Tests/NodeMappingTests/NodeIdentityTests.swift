import Glibc
import LinuxKernel
import Testing

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

    @Test("Whoever can be fenced has a client of its own in the kernel, whatever the class says")
    func sharing() throws {
        let share = try KernelMapOptions(mapOptions: "share")
        #expect(!KernelRBDMapper.sharesClient(.oneNode, share))
        #expect(KernelRBDMapper.sharesClient(.readers, share) && KernelRBDMapper.sharesClient(.manyNodes, share))
        #expect(try !KernelRBDMapper.sharesClient(.readers, KernelMapOptions(mapOptions: "noshare")))
    }
}
