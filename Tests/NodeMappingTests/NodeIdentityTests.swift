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
        try NodeIdentity.current(
            name: "worker",
            stateDirectory: directory,
            machine: machine,
            bootID: "boot-1",
            isMapping: false
        )
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
            try NodeIdentity.note(
                uid: uid,
                name: "worker",
                stateDirectory: directory,
                machine: "dmi:one",
                bootID: boot
            )
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

    /// A node whose state directory is its own, on machine `dmi:one`.
    private struct Scene: ~Copyable {
        let directory = "/tmp/nacre-identity-scene-\(getpid())-\(UInt32.random(in: 0 ... .max))"

        deinit { try? KernelFile.remove("\(directory)/host"); rmdir(directory) }

        func note(_ uid: String, _ boot: String, name: String = "worker", mayDraw: Bool = true) throws -> Bool {
            try NodeIdentity.note(
                uid: uid,
                name: name,
                stateDirectory: directory,
                machine: "dmi:one",
                bootID: boot,
                mayDraw: mayDraw
            )
        }

        func current(_ boot: String, isMapping: Bool) throws -> NodeIdentity {
            try NodeIdentity.current(
                name: "worker",
                stateDirectory: directory,
                machine: "dmi:one",
                bootID: boot,
                isMapping: isMapping
            )
        }
    }

    @Test("A number under which something was mapped in this boot stays, also when the Node object is seen late")
    func seenLate() throws {
        let scene = Scene()
        #expect(try !scene.note("node-a", "boot-1"))
        // The API server is away after a boot, and a volume is mapped.
        let mapping = try scene.current("boot-2", isMapping: true)
        // The agent restarts; the object was made anew meanwhile.
        #expect(try !scene.note("node-b", "boot-2"))
        #expect(try scene.current("boot-2", isMapping: false).host == mapping.host)
        #expect(try scene.current("boot-2", isMapping: false).uid == "node-b")
        // What only looks leaves the number to be drawn anew.
        let copied = Scene()
        #expect(try !copied.note("node-a", "boot-1"))
        let seen = try copied.current("boot-2", isMapping: false)
        #expect(try copied.note("node-b", "boot-2"))
        #expect(try copied.current("boot-2", isMapping: false).host != seen.host)
    }

    @Test("A number that is due and could not be drawn is drawn after the next boot")
    func drawnLater() throws {
        let scene = Scene()
        #expect(try !scene.note("node-a", "boot-1"))
        let before = try scene.current("boot-2", isMapping: false)
        #expect(try !scene.note("node-b", "boot-2", mayDraw: false))
        #expect(try scene.current("boot-2", isMapping: true).host == before.host)
        #expect(try !scene.note("node-b", "boot-2"))
        #expect(try scene.note("node-b", "boot-3"))
        #expect(try scene.current("boot-3", isMapping: false).host != before.host)
        #expect(try !scene.note("node-b", "boot-4"))
    }

    @Test("The uids of a Node object that was made anew within a boot stay this node's, those of a copy do not")
    func remade() throws {
        let scene = Scene()
        for uid in ["node-a", "node-b", "node-c"] { #expect(try !scene.note(uid, "boot-1")) }
        let node = try scene.current("boot-1", isMapping: true)
        for uid in ["node-a", "node-b", "node-c"] { #expect(node.has(uid: uid), "\(uid)") }
        #expect(!node.has(uid: "node-d"))
        // The machine was copied while it ran: the copy has its boot, and another name.
        #expect(try !scene.note("node-d", "boot-1", name: "copy"))
        let copy = try scene.current("boot-1", isMapping: true)
        #expect(copy.has(uid: "node-d") && !copy.has(uid: "node-a") && !copy.has(uid: "node-c"))
        // A boot ends what was held.
        let again = Scene()
        for uid in ["node-a", "node-b"] { #expect(try !again.note(uid, "boot-1")) }
        #expect(try !again.current("boot-2", isMapping: true).has(uid: "node-a"))
    }

    @Test("Of an earlier boot no lock is noted; of an earlier release, and of this boot, it is")
    func heldNotes() throws {
        let directory = "/tmp/nacre-held-\(getpid())"
        defer { rmdir(directory) }
        let notes = HeldNotes(directory: directory)
        let boots = ["of-another": "another", "of-this": try NodeIdentity.bootID(), "of-none": nil]
        for (name, boot) in boots {
            let image = ImageAddress(clusterID: "lab", pool: "rbd", namespace: "", name: name)
            try notes.write(HeldNote(image: image, imageID: "1", address: "10.0.0.7:0/1", bootID: boot))
        }
        #expect(Set(notes.all().map(\.image.name)) == ["of-this", "of-none"])
        #expect(try KernelFile.names(in: directory).count == 2)
        for note in notes.all() { try notes.remove(note.image) }
    }

    @Test("Whoever can be fenced has a client of its own in the kernel, whatever the class says")
    func sharing() throws {
        let share = try KernelMapOptions(mapOptions: "share")
        #expect(!KernelRBDMapper.sharesClient(.oneNode, share))
        #expect(KernelRBDMapper.sharesClient(.readers, share) && KernelRBDMapper.sharesClient(.manyNodes, share))
        #expect(try !KernelRBDMapper.sharesClient(.readers, KernelMapOptions(mapOptions: "noshare")))
    }
}
