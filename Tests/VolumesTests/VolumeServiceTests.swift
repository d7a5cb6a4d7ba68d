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

    @Test("A volume grows no further than the pool of its data, and the factor of its class, let one be made")
    func growth() async throws {
        let service = VolumeService(store: InMemoryImageStore())
        for (name, parameters) in [("factor", ["poolSizeFactor": "2"]), ("data", ["dataPool": "small"])] {
            let beyond: Int64 = 50 << 30
            var made = try request(1 << 30, parameters)
            made.name = "pvc-\(name)"
            let volume = try await service.createVolume(made, deadline: .now + .seconds(10))
            for size in [beyond, 21 << 30] {
                await #expect {
                    _ = try await service.expandVolume(
                        ExpandVolumeRequest(
                            volumeID: "\(volume.id)",
                            range: CapacityRange(requiredBytes: size, limitBytes: 0),
                            capability: nil,
                            credentials: made.credentials
                        ),
                        deadline: .now + .seconds(10)
                    )
                } throws: {
                    ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains("\(parameters["dataPool"] ?? "")")
                }
            }
            let grown = try await service.expandVolume(
                ExpandVolumeRequest(
                    volumeID: "\(volume.id)",
                    range: CapacityRange(requiredBytes: 8 << 30, limitBytes: 0),
                    capability: nil,
                    credentials: made.credentials
                ),
                deadline: .now + .seconds(10)
            )
            #expect(grown.capacityBytes == 8 << 30)
        }
    }

    @Test("A pool that is full is told as full, not as a size that can never be")
    func fullPool() async throws {
        let service = VolumeService(store: InMemoryImageStore())
        await #expect {
            _ = try await service.createVolume(request(1 << 30, ["dataPool": "full"]), deadline: .now + .seconds(10))
        } throws: {
            ($0 as? VolumeError)?.code == .resourceExhausted && "\($0)".contains("pool 'full' is full")
                && !"\($0)".contains("poolSizeFactor")
        }
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
        // Retention is nothing that an earlier release forgot to write: who made it wanted none, or a person took it away.
        store.change(volume.id) { $0.metadata = [ImageMetadataKey.requestName: asked.name] }
        let found = try await service.createVolume(asked, deadline: .now + .seconds(10))
        #expect(found.context["trashRetention"] == nil && found.context["poolSizeFactor"] == "2")
        #expect(store.images[volume.id]?.metadata == whole.filter { $0.key != ImageMetadataKey.trashRetention })
        store.change(volume.id) { $0.metadata = whole }
        // By the first releases, without its place.
        store.change(volume.id) { $0.metadata[ImageMetadataKey.image] = nil }
        _ = try await service.createVolume(asked, deadline: .now + .seconds(10))
        #expect(store.images[volume.id]?.metadata == whole)
        // What Nacre itself advises to set, and a person sets.
        var advised = whole
        advised.merge([ImageMetadataKey.trashRetention: "7d", ImageMetadataKey.poolSizeFactor: "0"]) { $1 }
        store.change(volume.id) { [advised] in $0.metadata = advised }
        let again = try await service.createVolume(asked, deadline: .now + .seconds(10))
        #expect(again.context["trashRetention"] == "7d" && again.context["poolSizeFactor"] == "0")
        #expect(store.images[volume.id]?.metadata == advised)
        // Another claim may have the volume by now.
        let claims = ["csi.storage.k8s.io/pvc/name": "old", "csi.storage.k8s.io/pvc/namespace": "shop"]
        var moved = whole
        moved.merge(["csi.storage.k8s.io/pvc/name": "new", "csi.storage.k8s.io/pvc/namespace": "shop"]) { $1 }
        store.change(volume.id) { [moved] in $0.metadata = moved }
        var other = asked
        other.parameters.merge(claims) { $1 }
        _ = try await service.createVolume(other, deadline: .now + .seconds(10))
        #expect(store.images[volume.id]?.metadata == moved)
    }

    @Test("An adopted image is not taken for the volume whose image would have its name")
    func adopted() async throws {
        let store = InMemoryImageStore()
        let service = VolumeService(store: store)
        let asked = try request(1 << 30)
        let id = try await service.createVolume(asked, deadline: .now + .seconds(10)).id
        let copied = [ImageMetadataKey.requestName: "orders", ImageMetadataKey.image: "rbd/orders"]
        for (marks, code, words) in [
            ([:], .alreadyExists, "was given to nacre"),
            // Also a copy, with the marks of what it was copied from.
            (copied, .alreadyExists, "was given to nacre"),
        ] as [([String: String], VolumeError.Code, String)] {
            let marks = marks.merging([ImageMetadataKey.adopted: id.imageSpec]) { $1 }
            store.change(id) { $0.metadata = marks }
            await #expect {
                _ = try await service.createVolume(asked, deadline: .now + .seconds(10))
            } throws: {
                ($0 as? VolumeError)?.code == code && "\($0)".contains(words)
            }
            #expect(store.images[id]?.metadata == marks)
        }
        // A copy that nobody adopted is no volume's; that is said before its size is compared.
        for (marks, words) in [
            (copied, "has the marks of image 'rbd/orders'"), ([ImageMetadataKey.adopted: "today"], "says 'today'"),
        ] {
            store.change(id) { $0.metadata = marks }
            await #expect {
                _ = try await service.createVolume(request(2 << 30), deadline: .now + .seconds(10))
            } throws: {
                ($0 as? VolumeError)?.code == .failedPrecondition && "\($0)".contains(words)
            }
            #expect(store.images[id]?.metadata == marks)
        }
    }

    @Test(
        "An image that was cut short is grown by nacre if it is its volume's, and by rbd if it is another's or a copy"
    )
    func cut() throws {
        let id = try VolumeID(clusterID: "lab", pool: "rbd", namespace: "", image: "data")
        let cut = try #require(CutImage(imageBytes: 8 << 20, fileSystemBytes: 16 << 20))
        let name = ImageMetadataKey.requestName
        for (marks, isOurs) in [
            ([name: "data", ImageMetadataKey.image: "rbd/data"], true), ([ImageMetadataKey.adopted: "rbd/data"], true),
            ([name: "data", ImageMetadataKey.image: "rbd/old"], false), ([ImageMetadataKey.adopted: "yes"], false),
            ([:], false),
        ] as [([String: String], Bool)] {
            let words = cut.words(id, marks)
            #expect(
                words.contains("nacre volume expand") == isOurs && words.contains("rbd resize") != isOurs,
                "\(words)"
            )
        }
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
