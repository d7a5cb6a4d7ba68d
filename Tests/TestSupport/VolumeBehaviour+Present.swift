import Testing
import Volumes

/// What becomes of a volume that is there: it grows, and tells of itself.
extension VolumeBehaviour {
    static let expanding: [VolumeBehaviour] = [
        VolumeBehaviour("a volume grows, and growing it again to the same size is fine") { bench in
            let volume = try await bench.create(bench.request("grow"))
            for _ in 0..<3 {
                let grown = try await bench.expand(volume.id, 256 << 20)
                #expect(grown == ExpandedVolume(capacityBytes: 256 << 20, nodeExpansionRequired: true))
            }
        },
        VolumeBehaviour("a volume without a file system grows as far as one can be made on it") { bench in
            for (options, limit) in [("", 128 << 40), ("-O ^64bit,^metadata_csum", 16 << 40)] as [(String, Int64)] {
                var given = ["poolSizeFactor": "0"]
                if !options.isEmpty { given["mkfsOptions"] = options }
                let ext4 = VolumeCapability(.mount(MountAccess(fsType: "ext4")), mode: .singleNodeWriter)
                let name = "blank-\(limit >> 40)"
                let volume = try await bench.create(bench.request(name, adding: given, capability: ext4))
                await bench.expect(.outOfRange) { _ = try await bench.expand(volume.id, limit + (1 << 40)) }
                #expect(try await bench.expand(volume.id, 256 << 20).capacityBytes == 256 << 20)
            }
        },
        VolumeBehaviour("a volume whose file system nobody named grows as far as the node's, or the request's, can") {
            bench in
            let given = ["poolSizeFactor": "0"]
            let volume = try await bench.create(bench.request("open", adding: given))
            await bench.expect(.outOfRange) { _ = try await bench.expand(volume.id, 200 << 40) }
            await bench.expect(.outOfRange) { _ = try await bench.expand(volume.id, 200 << 40, for: "ext4") }
            let small = given.merging(["mkfsOptions": "-O ^64bit"]) { $1 }
            let old = try await bench.create(bench.request("old", adding: small))
            await bench.expect(.outOfRange) { _ = try await bench.expand(old.id, 16 << 40) }
            #expect(try await bench.expand(old.id, 256 << 20).capacityBytes == 256 << 20)
        },
        VolumeBehaviour("a volume never shrinks") { bench in
            let volume = try await bench.create(bench.request("shrink", required: 128 << 20))
            let grown = try await bench.expand(volume.id, 64 << 20)
            #expect(grown.capacityBytes == 128 << 20)
        },
        VolumeBehaviour("a limit below the size is out of range") { bench in
            let volume = try await bench.create(bench.request("cap", required: 128 << 20))
            await bench.expect(.outOfRange) { _ = try await bench.expand(volume.id, 32 << 20, limit: 64 << 20) }
        },
        VolumeBehaviour("a volume that does not exist cannot grow") { bench in
            let id = try await bench.create(bench.request("vanish")).id
            try await bench.delete(id.description)
            await bench.expect(.notFound) { _ = try await bench.expand(id, 256 << 20) }
        },
    ]

    static let asking: [VolumeBehaviour] = [
        VolumeBehaviour("capabilities are confirmed or refused with a reason") { bench in
            let volume = try await bench.create(bench.request("caps"))
            for mode in VolumeCapability.Mode.allCases {
                let verdict = try await bench.service.validateCapabilities(
                    ValidateCapabilitiesRequest(
                        volumeID: volume.id.description,
                        capabilities: [VolumeCapability(.mount(MountAccess(fsType: "xfs")), mode: mode)],
                        parameters: [:],
                        context: [:],
                        credentials: bench.credentials
                    ),
                    deadline: bench.deadline
                )
                switch verdict {
                case .confirmed: #expect(mode != .multiNodeMultiWriter && mode != .multiNodeSingleWriter)
                case .refused(let why): #expect(!why.isEmpty)
                }
            }
        },
        VolumeBehaviour("a volume in a cluster that there is not is not found") { bench in
            let id = try await bench.create(bench.request("place")).id
            let elsewhere = try VolumeID(
                clusterID: "nowhere",
                pool: id.pool,
                namespace: id.namespace,
                image: id.image
            )
            await bench.expect(.notFound) {
                _ = try await bench.service.status(of: "\(elsewhere)", deadline: bench.deadline)
            }
        },
        VolumeBehaviour("a list in pages names every volume once") { bench in
            var made: Set<VolumeID> = []
            for number in 0..<5 { made.insert(try await bench.create(bench.request("list-\(number)")).id) }
            var listed: [VolumeID] = []
            var token = ""
            repeat {
                let page = try await bench.service.listVolumes(
                    maxEntries: 2,
                    startingToken: token,
                    deadline: bench.deadline
                )
                #expect(page.volumes.count <= 2)
                listed += page.volumes.map(\.id)
                token = page.nextToken
            } while !token.isEmpty
            #expect(Set(listed).isSuperset(of: made))
            #expect(Set(listed).count == listed.count)
        },
        VolumeBehaviour("a list and a look tell the name that a volume was asked for by, and its claim") { bench in
            let keys = ["csi.storage.k8s.io/pvc/name": "data-0", "csi.storage.k8s.io/pvc/namespace": "shop"]
            let request = try bench.request("a name, ä", adding: keys)
            let volume = try await bench.create(request)
            let status = try await bench.service.status(of: volume.id.description, deadline: bench.deadline)
            var listed: [Volume] = []
            var token = ""
            repeat {
                let page = try await bench.service.listVolumes(
                    maxEntries: 0,
                    startingToken: token,
                    deadline: bench.deadline
                )
                listed += page.volumes
                token = page.nextToken
            } while !token.isEmpty
            let inList = try #require(listed.first { $0.id == volume.id })
            for facts in [status.volume.facts, inList.facts] {
                #expect(facts.name == request.name)
                #expect(facts.claim == "shop/data-0")
                #expect(facts.users.isEmpty)
            }
        },
        VolumeBehaviour("a token that is not ours is aborted, a negative page is refused") { bench in
            await bench.expect(.aborted) {
                _ = try await bench.service.listVolumes(maxEntries: 0, startingToken: "x", deadline: bench.deadline)
            }
            await bench.expect(.invalidArgument) {
                _ = try await bench.service.listVolumes(maxEntries: -1, startingToken: "", deadline: bench.deadline)
            }
        },
        VolumeBehaviour("a pool has room, a pool that is not there is an error") { bench in
            let room = try await bench.service.capacity(
                parameters: bench.parameters,
                capabilities: [],
                credentials: nil,
                deadline: bench.deadline
            )
            #expect(room.availableBytes > 1 << 30)
            await bench.expect(.invalidArgument) {
                _ = try await bench.service.capacity(
                    parameters: bench.parameters.merging(["pool": "missing"]) { $1 },
                    capabilities: [],
                    credentials: nil,
                    deadline: bench.deadline
                )
            }
        },
        VolumeBehaviour("a volume's condition is a sentence") { bench in
            let volume = try await bench.create(bench.request("well"))
            let status = try await bench.service.status(of: volume.id.description, deadline: bench.deadline)
            #expect(status.volume.capacityBytes == volume.capacityBytes)
            #expect(!status.condition.isAbnormal && !status.condition.message.isEmpty)
        },
    ]
}
