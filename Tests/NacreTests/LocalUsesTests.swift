import FoundationEssentials
import Testing
import Volumes

@testable import nacre

@Suite("What is mapped and mounted here")
struct LocalUsesTests: ~Copyable {
    private let root: String
    private let uses: LocalUses
    private let id: VolumeID

    init() throws {
        root = "/tmp/nacre-uses-\(UUID().uuidString)"
        uses = LocalUses(stateDirectory: "\(root)/state", runDirectory: "\(root)/run")
        id = try VolumeID(clusterID: "a", pool: "p", namespace: "", image: "csi-vol-1")
    }

    deinit {
        try? FileManager.default.removeItem(atPath: root)
    }

    @Test("A use is found by its volume and by its path until it has ended")
    func remembers() throws {
        let use = LocalUse(volumeID: "\(id)", kind: .mount, path: "/mnt/x")
        #expect(try uses.use(of: id) == nil)
        #expect(try uses.use(at: "/mnt/x") == nil)
        try uses.begin(use, of: id)
        #expect(try uses.use(of: id) == use)
        #expect(try uses.use(at: "/mnt/x") == use)
        #expect(try uses.use(at: "/mnt") == nil)
        #expect(FileManager.default.fileExists(atPath: uses.stagingPath(of: id)))
        try uses.end(id)
        #expect(try uses.use(of: id) == nil)
        uses.leave(id)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(root)/state/cli").isEmpty)
    }

    @Test("Who ends a use is alone with the volume until the lock is gone")
    func endsAlone() async throws {
        let lock = try await uses.lock(id, until: .now)
        try uses.begin(LocalUse(volumeID: "\(id)", kind: .mount, path: "/mnt/x"), of: id)
        try uses.end(id)
        let failure = await #expect(throws: CommandFailure.self) { try await uses.lock(id, until: .now) }
        #expect(failure?.status == .tryAgain)
        uses.leave(id)
        withExtendedLifetime(lock) {}
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(root)/state/cli").isEmpty)
    }

    @Test("A use can begin again, and end twice")
    func repeats() throws {
        let use = LocalUse(volumeID: "\(id)", kind: .device, path: uses.devicePath(of: id))
        try uses.begin(use, of: id)
        try uses.begin(use, of: id)
        try uses.end(id)
        try uses.end(id)
    }

    @Test("A use that is mounted is not replaced by another; one that never came to be is")
    func refusesAnother() throws {
        try uses.begin(LocalUse(volumeID: "\(id)", kind: .mount, path: "/proc"), of: id)
        let other = LocalUse(volumeID: "\(id)", kind: .mount, path: "\(root)/elsewhere")
        let failure = #expect(throws: CommandFailure.self) { try uses.begin(other, of: id) }
        #expect(failure?.message.contains("nacre volume unmount a/p//csi-vol-1") == true)
        try uses.end(id)
        try uses.begin(other, of: id)
        let third = LocalUse(volumeID: "\(id)", kind: .mount, path: "\(root)/third")
        try uses.begin(third, of: id)
        #expect(try uses.use(of: id) == third)
    }

    @Test("A note that cannot be read is an error, not an absence")
    func refusesGarbage() throws {
        try uses.begin(LocalUse(volumeID: "\(id)", kind: .mount, path: "/mnt/x"), of: id)
        try "{".write(
            toFile: "\(root)/state/cli/\(LocalUses.name(of: id))/use.json",
            atomically: true,
            encoding: .utf8
        )
        #expect(throws: CommandFailure.self) { try uses.use(of: id) }
    }
}
