import FoundationEssentials
import Testing
import Volumes

@testable import NodeAgent

@Suite("The FlexVolume driver in kubelet's plugin directory")
struct FlexInstallationTests: ~Copyable {
    private let scratch = FileManager.default.temporaryDirectory.path + "/nacre-flex-\(UUID().uuidString)"

    init() throws {
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: scratch) }

    private func installation(socket: String = "/run/nacre/flex.sock") -> FlexInstallation {
        FlexInstallation(pluginDirectory: "\(scratch)/exec", program: "\(scratch)/nacre-flex", socket: socket)
    }

    private func write(_ text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(scratch)/nacre-flex"))
    }

    private var place: String { "\(scratch)/exec/nacre.io~rbd" }

    @Test("It comes with its directory, executable, and nothing beside it but what kubelet does not see")
    func installs() throws {
        try write("one")
        #expect(try installation().install())
        #expect(try FileManager.default.contentsOfDirectory(atPath: place) == ["rbd"])
        #expect(FileManager.default.isExecutableFile(atPath: "\(place)/rbd"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(scratch)/exec") == ["nacre.io~rbd"])
    }

    @Test("The same program is not touched, another one takes its place")
    func updates() throws {
        try write("one")
        try installation().install()
        let first = try FileManager.default.attributesOfItem(atPath: "\(place)/rbd")[.systemFileNumber] as? UInt64
        #expect(try !installation().install())
        let second = try FileManager.default.attributesOfItem(atPath: "\(place)/rbd")[.systemFileNumber] as? UInt64
        #expect(first == second)
        try write("two")
        #expect(try installation().install())
        #expect(try Data(contentsOf: URL(filePath: "\(place)/rbd")) == Data("two".utf8))
    }

    @Test("Another socket is named in a file that kubelet takes no note of, until it is the usual one again")
    func namesSocket() throws {
        try write("one")
        try installation(socket: "/tmp/x.sock").install()
        #expect(try Data(contentsOf: URL(filePath: "\(place)/.socket")) == Data("/tmp/x.sock\n".utf8))
        try installation().install()
        #expect(!FileManager.default.fileExists(atPath: "\(place)/.socket"))
    }

    @Test("A missing program is named")
    func refuses() {
        let error = #expect(throws: VolumeError.self) { try installation().install() }
        #expect(error?.message.contains("nacre-flex") == true)
    }
}
