import Secrets
import TestSupport
import Testing
import Volumes

@Suite("Volumes in memory")
struct VolumeServiceTests {
    private struct Refusing: FileSystemTrial {
        func refusal(of fileSystem: String, _ options: MkfsOptions, sizeBytes: UInt64) async -> String? {
            "\(fileSystem) of \(sizeBytes) bytes will not do"
        }
    }

    private func request(_ size: Int64, _ parameters: [String: String] = [:]) throws -> CreateVolumeRequest {
        CreateVolumeRequest(
            name: "pvc-0a1b2c3d-0000-4000-8000-000000000001",
            range: try CapacityRange(requiredBytes: size, limitBytes: 0),
            capabilities: [VolumeCapability(.mount(MountAccess(fsType: "xfs")), mode: .singleNodeWriter)],
            parameters: ["clusterID": "lab", "pool": "rbd"].merging(parameters) { $1 },
            credentials: Credentials(userID: "tester", userKey: Secret("k"))
        )
    }

    @Test("What mkfs would refuse, and what its file system cannot be, is refused before there is an image")
    func refusedBefore() async throws {
        let store = InMemoryImageStore()
        let service = VolumeService(store: store, trial: Refusing())
        let options = ["mkfsOptions": "-i size=1024", "poolSizeFactor": "0"]
        await #expect {
            _ = try await service.createVolume(request(1 << 30, options), deadline: .now + .seconds(10))
        } throws: {
            ($0 as? VolumeError)?.code == .invalidArgument && "\($0)".contains("'-i size=1024'")
                && "\($0)".contains("xfs of 1073741824 bytes will not do")
        }
        let small = ["mkfsOptions": "-d agsize=128m", "poolSizeFactor": "0", "imageFeatures": "layering"]
        await #expect {
            _ = try await service.createVolume(request(2 << 40, small), deadline: .now + .seconds(10))
        } throws: {
            ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains("agsize")
        }
        let id = try service.handle(of: request(1).name, parameters: request(1).parameters)
        #expect(try await store.image(id, credentials: nil) == .absent)
    }

    @Test("The service keeps its promise", arguments: VolumeBehaviour.all)
    func behaves(_ behaviour: VolumeBehaviour) async throws {
        let bench = VolumeBehaviour.Bench(
            service: VolumeService(store: InMemoryImageStore()),
            parameters: ["clusterID": "lab", "pool": "rbd"],
            credentials: Credentials(userID: "tester", userKey: Secret("k")),
            prefix: "t-0001"
        )
        try await behaviour.check(bench)
    }
}
