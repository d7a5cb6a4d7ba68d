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

    @Test("A use whose path shows another volume, or nothing of the node service's, is at no place")
    func isNowhere() throws {
        try uses.begin(LocalUse(volumeID: "\(id)", kind: .mount, path: "/proc"), of: id)
        #expect(try uses.presentUse(of: id) == nil)
        let usage = #"{"isBlock":false,"fileSystem":"ext4","mountFlags":[],"mode":1}"#
        func publish(_ handle: String) throws {
            try FileManager.default.createDirectory(atPath: "\(root)/state/volumes", withIntermediateDirectories: true)
            let record = """
                {"version":1,"volumeID":"\(handle)","stagingPath":"\(root)/staging","isStaged":true,"usage":\(usage),\
                "targets":[{"path":"/proc","isReadOnly":false,"usage":\(usage)}]}
                """
            try record.write(toFile: "\(root)/state/volumes/record.json", atomically: true, encoding: .utf8)
        }
        try publish("a/p//csi-vol-2")
        #expect(try uses.presentUse(of: id) == nil)
        // Nothing of it is there, so it begins anew elsewhere.
        try uses.begin(LocalUse(volumeID: "\(id)", kind: .mount, path: "\(root)/elsewhere"), of: id)
        let use = LocalUse(volumeID: "\(id)", kind: .mount, path: "/proc")
        try uses.record(use, of: id)
        try publish("\(id)")
        #expect(try uses.presentUse(of: id) == use)
        try uses.forget(id)
        #expect(try uses.use(of: id) == use)
        try FileManager.default.removeItem(atPath: "\(root)/state/volumes")
        try uses.forget(id)
        #expect(try uses.use(of: id) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(root)/state/cli").isEmpty)
    }

    @Test("A note that cannot be read is an error, not an absence")
    func refusesGarbage() throws {
        try uses.begin(LocalUse(volumeID: "\(id)", kind: .mount, path: "/mnt/x"), of: id)
        try "{".write(
            toFile: "\(root)/state/cli/\(id.directoryName)/use.json",
            atomically: true,
            encoding: .utf8
        )
        #expect(throws: CommandFailure.self) { try uses.use(of: id) }
    }
}
