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

    @Test("The largest volume that is named can be made, and no larger one", arguments: [nil, "1", "7"])
    func largest(factor: String?) async throws {
        let service = VolumeService(store: InMemoryImageStore())
        let parameters = factor.map { ["poolSizeFactor": $0] } ?? [:]
        let capacity = try await service.capacity(
            parameters: request(1, parameters).parameters,
            capabilities: request(1).capabilities,
            credentials: nil,
            deadline: .now + .seconds(10)
        )
        let largest = Int64(capacity.largestVolumeBytes)
        await #expect {
            _ = try await service.createVolume(request(largest + 1, parameters), deadline: .now + .seconds(10))
        } throws: {
            ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains(UInt64(largest).inBinaryUnits)
        }
        let volume = try await service.createVolume(request(largest, parameters), deadline: .now + .seconds(10))
        #expect(volume.capacityBytes == capacity.largestVolumeBytes)
    }

    @Test(
        "A create that was killed before it named its image, or is an earlier release's, is completed and keeps what is there"
    )
    func completed() async throws {
        let store = InMemoryImageStore()
        let service = VolumeService(store: store)
        let asked = try request(
            1 << 30,
            ["mkfsOptions": "-i size=1024", "trashRetention": "1d", "poolSizeFactor": "2"]
        )
        let volume = try await service.createVolume(asked, deadline: .now + .seconds(10))
        let whole = try #require(store.images[volume.id]?.metadata)
        let remains: [[String: String]] = [
            // By another operation on the nameless image.
            [ImageMetadataKey.requestName: volume.id.image],
            // By the first releases.
            [
                ImageMetadataKey.requestName: asked.name,
                ImageMetadataKey.trashRetention: "86400",
            ],
        ]
        for metadata in remains {
            store.change(volume.id) { $0.metadata = metadata }
            _ = try await service.createVolume(asked, deadline: .now + .seconds(10))
            #expect(store.images[volume.id]?.metadata == whole)
        }
        // Retention is nothing that an earlier release forgot to write.
        store.change(volume.id) { $0.metadata = [ImageMetadataKey.requestName: asked.name] }
        await #expect {
            _ = try await service.createVolume(asked, deadline: .now + .seconds(10))
        } throws: {
            ($0 as? VolumeError)?.code == .alreadyExists && "\($0)".contains("trashRetention '1d'")
        }
        // Another claim may have the volume by now.
        let claims = ["csi.storage.k8s.io/pvc/name": "old", "csi.storage.k8s.io/pvc/namespace": "shop"]
        var moved = whole
        moved.merge(["csi.storage.k8s.io/pvc/name": "new", "csi.storage.k8s.io/pvc/namespace": "shop"]) { $1 }
        store.change(volume.id) { [moved] in $0.metadata = moved }
        var again = asked
        again.parameters.merge(claims) { $1 }
        _ = try await service.createVolume(again, deadline: .now + .seconds(10))
        #expect(store.images[volume.id]?.metadata == moved)
    }

    @Test("An adopted image is not taken for the volume whose image would have its name")
    func adopted() async throws {
        let store = InMemoryImageStore()
        let service = VolumeService(store: store)
        let asked = try request(1 << 30)
        let id = try await service.createVolume(asked, deadline: .now + .seconds(10)).id
        let marks = [ImageMetadataKey.adopted: "today"]
        store.change(id) { $0.metadata = marks }
        await #expect {
            _ = try await service.createVolume(asked, deadline: .now + .seconds(10))
        } throws: {
            ($0 as? VolumeError)?.code == .alreadyExists && "\($0)".contains("nacre.io/adopted")
        }
        #expect(store.images[id]?.metadata == marks)
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
