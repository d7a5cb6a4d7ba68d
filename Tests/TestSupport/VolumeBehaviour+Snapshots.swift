import Testing
public import Volumes

extension VolumeBehaviour.Bench {
    /// Takes a snapshot whose name has the test's prefix and `name`.
    public func take(
        _ name: String,
        of volume: VolumeID,
        notes: [String: String] = [:],
        parameters: [String: String] = [:]
    ) async throws -> Snapshot {
        try await service.createSnapshot(
            CreateSnapshotRequest(
                name: "\(prefix)-\(name)",
                source: volume.description,
                parameters: parameters,
                credentials: credentials,
                notes: notes
            ),
            deadline: deadline
        )
    }

    /// The snapshot of a handle.
    public func snapshot(_ handle: String) async throws -> Snapshot {
        try await service.snapshot(handle, credentials: credentials, deadline: deadline)
    }

    /// What was begun of a snapshot whose name has the test's prefix and `name`.
    public func begun(_ name: String, of volume: VolumeID) async throws -> SnapshotID? {
        try await service.begunSnapshot(
            named: "\(prefix)-\(name)",
            of: volume.description,
            credentials: credentials,
            deadline: deadline
        )
    }

    /// Removes a snapshot.
    public func remove(_ handle: String) async throws {
        try await service.deleteSnapshot(handle, credentials: credentials, deadline: deadline)
    }

    /// A request for a volume that is made from a source.
    public func clone(
        _ name: String,
        from source: ContentSource,
        required: Int64 = 0,
        limit: Int64 = 0,
        adding: [String: String] = [:],
        capability: VolumeCapability = VolumeCapability(.mount(MountAccess()), mode: .singleNodeWriter)
    ) throws -> CreateVolumeRequest {
        var request = try request(name, required: required, limit: limit, adding: adding, capability: capability)
        request.source = source
        return request
    }

    /// All snapshots of a volume, or of this test, page by page.
    func list(of source: VolumeID? = nil, pages: Int = 0) async throws -> [Snapshot] {
        var all: [Snapshot] = []
        var token = ""
        repeat {
            let page = try await service.snapshots(
                of: source?.description,
                maximum: pages,
                token: token,
                deadline: deadline
            )
            #expect(pages == 0 || page.snapshots.count <= pages)
            all += page.snapshots
            token = page.nextToken
        } while !token.isEmpty
        return all.filter { $0.name.hasPrefix(prefix) }
    }
}

extension VolumeBehaviour {
    static let snapshots: [VolumeBehaviour] = takingSnapshots + removingSnapshots + listingSnapshots + cloning

    private static let takingSnapshots: [VolumeBehaviour] = [
        VolumeBehaviour("a snapshot has the size of its volume, and is found again by its handle") { bench in
            let volume = try await bench.create(bench.request("a"))
            let snapshot = try await bench.take("s", of: volume.id, notes: ["k": "v"])
            #expect(snapshot.sizeBytes == 64 << 20)
            #expect(snapshot.isReady && snapshot.source == volume.id)
            #expect(snapshot.sourceHandle == volume.id.description)
            #expect(snapshot.id.name.hasPrefix("csi-snap-") && snapshot.id.description.utf8.count <= 128)
            #expect(snapshot.created > .zero && snapshot.notes == ["k": "v"])
            #expect(try await bench.snapshot(snapshot.id.description) == snapshot)
        },
        VolumeBehaviour("a repeated snapshot is the same one, ten times over, and for callers at once") { bench in
            let volume = try await bench.create(bench.request("a"))
            let first = try await bench.take("s", of: volume.id)
            for _ in 0..<10 {
                let again = try await bench.take("s", of: volume.id)
                #expect(again == first)
            }
            let all = try await withThrowingTaskGroup(of: Snapshot.self) { group in
                for _ in 0..<8 { group.addTask { try await bench.take("crowd", of: volume.id) } }
                return try await group.reduce(into: Set<Snapshot>()) { $0.insert($1) }
            }
            #expect(all.count == 1)
            #expect(try await bench.list(of: volume.id).count == 2)
        },
        VolumeBehaviour("a snapshot keeps the size that the volume had") { bench in
            let volume = try await bench.create(bench.request("a"))
            let snapshot = try await bench.take("s", of: volume.id)
            _ = try await bench.expand(volume.id, 96 << 20)
            #expect(try await bench.take("s", of: volume.id) == snapshot)
            #expect(try await bench.take("t", of: volume.id).sizeBytes == 96 << 20)
        },
        VolumeBehaviour("the name of another volume's snapshot is refused, until that is gone") { bench in
            let volume = try await bench.create(bench.request("a"))
            let other = try await bench.create(bench.request("b"))
            let snapshot = try await bench.take("s", of: volume.id)
            await bench.expect(.alreadyExists) { _ = try await bench.take("s", of: other.id) }
            try await bench.remove(snapshot.id.description)
            #expect(try await bench.take("s", of: other.id).source == other.id)
        },
        VolumeBehaviour("a snapshot of what is not there, without a name, or without a source is refused") { bench in
            let volume = try await bench.create(bench.request("a"))
            let absent = try VolumeID(
                clusterID: volume.id.clusterID,
                pool: volume.id.pool,
                namespace: volume.id.namespace,
                image: "csi-vol-00000000-0000-4000-8000-000000000000"
            )
            await bench.expect(.notFound) { _ = try await bench.take("s", of: absent) }
            for (name, source, code) in [
                ("", volume.id.description, VolumeError.Code.invalidArgument), ("s", "", .invalidArgument),
                (String(repeating: "n", count: 129), volume.id.description, .invalidArgument),
                ("s", "nonsense", .notFound),
            ] {
                let request = CreateSnapshotRequest(name: name, source: source, credentials: bench.credentials)
                await bench.expect(code) {
                    _ = try await bench.service.createSnapshot(request, deadline: bench.deadline)
                }
            }
            await bench.expect(.invalidArgument) {
                _ = try await bench.take("s", of: volume.id, parameters: ["imageFeatures": "layering"])
            }
            await bench.expect(.invalidArgument) {
                _ = try await bench.take("s", of: volume.id, notes: ["k": String(repeating: "v", count: 1000)])
            }
            #expect(try await bench.list(of: volume.id).isEmpty)
        },
    ]

    private static let removingSnapshots: [VolumeBehaviour] = [
        VolumeBehaviour("a removed snapshot is gone, and removing it again succeeds") { bench in
            let volume = try await bench.create(bench.request("a"))
            let handle = try await bench.take("s", of: volume.id).id.description
            for _ in 0..<3 { try await bench.remove(handle) }
            await bench.expect(.notFound) { _ = try await bench.snapshot(handle) }
            #expect(try await bench.list(of: volume.id).isEmpty)
            try await bench.delete(volume.id.description)
        },
        VolumeBehaviour("what is no snapshot's handle is gone already") { bench in
            try await bench.remove("nonsense")
            await bench.expect(.notFound) { _ = try await bench.snapshot("nonsense") }
            await bench.expect(.invalidArgument) { try await bench.remove("") }
            await bench.expect(.invalidArgument) { _ = try await bench.snapshot("") }
        },
        VolumeBehaviour("what was begun of a snapshot is found by its name, also of a volume that is gone") { bench in
            let request = try bench.request("a")
            let volume = try await bench.create(request)
            let other = try await bench.create(bench.request("b"))
            #expect(try await bench.begun("s", of: volume.id) == nil)
            let snapshot = try await bench.take("s", of: volume.id)
            #expect(try await bench.begun("s", of: volume.id) == snapshot.id)
            #expect(try await bench.begun("s", of: other.id) == nil)
            #expect(try await bench.begun("t", of: volume.id) == nil)
            try await bench.delete(volume.id.description)
            #expect(try await bench.begun("s", of: volume.id) == snapshot.id)
            let again = try await bench.create(request)
            #expect(again.id == volume.id)
            await bench.expect(.alreadyExists) { _ = try await bench.take("s", of: again.id) }
            #expect(try await bench.begun("s", of: volume.id) == snapshot.id)
            try await bench.remove(snapshot.id.description)
            #expect(try await bench.begun("s", of: volume.id) == nil)
            try await bench.delete(again.id.description)
        },
        VolumeBehaviour("a snapshot outlives its volume, whose name is free at once") { bench in
            let request = try bench.request("a")
            let volume = try await bench.create(request)
            let snapshot = try await bench.take("s", of: volume.id)
            for _ in 0..<2 { try await bench.delete(volume.id.description) }
            let kept = try await bench.snapshot(snapshot.id.description)
            #expect(kept.source == nil && kept.sourceHandle == volume.id.description)
            #expect(kept.sizeBytes == snapshot.sizeBytes && kept.created == snapshot.created)
            let again = try await bench.create(request)
            #expect(again.id == volume.id)
            #expect(try await bench.list(of: volume.id).isEmpty)
            let clone = try await bench.create(bench.clone("c", from: .snapshot(snapshot.id.description)))
            #expect(clone.capacityBytes == 64 << 20)
            try await bench.remove(snapshot.id.description)
            await bench.expect(.notFound) { _ = try await bench.snapshot(snapshot.id.description) }
            try await bench.delete(clone.id.description)
            try await bench.delete(again.id.description)
        },
    ]

    private static let listingSnapshots: [VolumeBehaviour] = [
        VolumeBehaviour("snapshots are listed by volume and in all, in pages of any length") { bench in
            let volume = try await bench.create(bench.request("a"))
            let other = try await bench.create(bench.request("b"))
            var made: Set<Snapshot> = []
            for name in ["s", "t", "u"] { made.insert(try await bench.take(name, of: volume.id)) }
            let last = try await bench.take("v", of: other.id)
            #expect(try await bench.list(of: other.id) == [last])
            for pages in [0, 1, 2, 3] {
                #expect(try await Set(bench.list(of: volume.id, pages: pages)) == made)
                #expect(try await Set(bench.list(pages: pages)) == made.union([last]))
            }
        },
        VolumeBehaviour("of an unknown volume there are none, and an unknown token is aborted") { bench in
            for source in ["nonsense", "\(bench.parameters["clusterID"] ?? "")/\(bench.parameters["pool"] ?? "")//no"] {
                let page = try await bench.service.snapshots(
                    of: source,
                    maximum: 0,
                    token: "",
                    deadline: bench.deadline
                )
                #expect(page.snapshots.isEmpty && page.nextToken.isEmpty)
            }
            await bench.expect(.aborted) {
                _ = try await bench.service.snapshots(of: nil, maximum: 0, token: "no", deadline: bench.deadline)
            }
            await bench.expect(.invalidArgument) {
                _ = try await bench.service.snapshots(of: nil, maximum: -1, token: "", deadline: bench.deadline)
            }
        },
    ]

    private static let cloning: [VolumeBehaviour] = [
        VolumeBehaviour("a volume from a snapshot has its size, says its source, and is found again") { bench in
            let volume = try await bench.create(bench.request("a"))
            let snapshot = try await bench.take("s", of: volume.id)
            let source = ContentSource.snapshot(snapshot.id.description)
            let request = try bench.clone("c", from: source)
            let clone = try await bench.create(request)
            #expect(clone.capacityBytes == 64 << 20 && clone.source == source)
            for _ in 0..<3 {
                let again = try await bench.create(request)
                #expect(again == clone)
            }
            #expect(try await bench.metadata(clone.id)[ImageMetadataKey.requestName] == request.name)
            let status = try await bench.service.status(of: clone.id.description, deadline: bench.deadline)
            #expect(status.volume.source == source && !status.condition.isAbnormal, "\(status.condition.message)")
        },
        VolumeBehaviour("a volume from a volume is its copy of now, and leaves no snapshot") { bench in
            let volume = try await bench.create(bench.request("a"))
            let source = ContentSource.volume(volume.id.description)
            let clone = try await bench.create(bench.clone("c", from: source))
            #expect(clone.capacityBytes == 64 << 20 && clone.source == source)
            #expect(try await bench.create(bench.clone("c", from: source)) == clone)
            #expect(try await bench.list(of: volume.id).isEmpty)
            // Either goes first.
            try await bench.delete(volume.id.description)
            #expect(try await bench.create(bench.clone("c", from: source)) == clone)
            try await bench.delete(clone.id.description)
        },
        VolumeBehaviour("a volume from a source may be larger, and never smaller") { bench in
            let volume = try await bench.create(bench.request("a"))
            let snapshot = try await bench.take("s", of: volume.id)
            for (name, source) in [
                ("c", ContentSource.snapshot(snapshot.id.description)), ("d", .volume(volume.id.description)),
            ] {
                await bench.expect(.outOfRange) {
                    _ = try await bench.create(bench.clone(name, from: source, required: 32 << 20))
                }
                await bench.expect(.outOfRange) {
                    _ = try await bench.create(bench.clone(name, from: source, limit: 32 << 20))
                }
                let clone = try await bench.create(bench.clone(name, from: source, required: 96 << 20))
                #expect(clone.capacityBytes == 96 << 20)
                #expect(try await bench.create(bench.clone(name, from: source, required: 96 << 20)) == clone)
            }
        },
        VolumeBehaviour("the same name with another source, or none, is refused") { bench in
            let volume = try await bench.create(bench.request("a"))
            let snapshot = try await bench.take("s", of: volume.id)
            let source = ContentSource.snapshot(snapshot.id.description)
            _ = try await bench.create(bench.clone("c", from: source))
            await bench.expect(.alreadyExists) { _ = try await bench.create(bench.request("c")) }
            await bench.expect(.alreadyExists) {
                _ = try await bench.create(bench.clone("c", from: .volume(volume.id.description)))
            }
            await bench.expect(.alreadyExists) {
                _ = try await bench.create(bench.clone("a", from: source, required: 64 << 20))
            }
        },
        VolumeBehaviour("a source that is not there is not found") { bench in
            let volume = try await bench.create(bench.request("a"))
            let snapshot = try await bench.take("s", of: volume.id)
            try await bench.remove(snapshot.id.description)
            for source in [
                ContentSource.snapshot(snapshot.id.description), .snapshot("nonsense"), .volume("nonsense"),
                .volume("\(volume.id)0"),
            ] {
                await bench.expect(.notFound) { _ = try await bench.create(bench.clone("c", from: source)) }
            }
            await bench.expect(.invalidArgument) { _ = try await bench.create(bench.clone("c", from: .snapshot(""))) }
        },
        VolumeBehaviour("clones and what they were made from go in any order") { bench in
            for order in [
                ["s", "a", "c"], ["a", "s", "c"], ["c", "s", "a"], ["c", "a", "s"], ["s", "c", "a"], ["a", "c", "s"],
            ] {
                let volume = try await bench.create(bench.request("a"))
                let snapshot = try await bench.take("s", of: volume.id)
                let clone = try await bench.create(bench.clone("c", from: .snapshot(snapshot.id.description)))
                for one in order {
                    switch one {
                    case "s": try await bench.remove(snapshot.id.description)
                    case "a": try await bench.delete(volume.id.description)
                    default: try await bench.delete(clone.id.description)
                    }
                }
            }
        },
        VolumeBehaviour("a clone of a clone of a clone is a volume like any other") { bench in
            var source = try await bench.create(bench.request("a")).id
            for name in ["b", "c", "d"] {
                let clone = try await bench.create(bench.clone(name, from: .volume(source.description)))
                try await bench.delete(source.description)
                source = clone.id
            }
            let snapshot = try await bench.take("s", of: source)
            #expect(try await bench.create(bench.clone("e", from: .snapshot(snapshot.id.description))).id != source)
        },
        VolumeBehaviour("a clone says what its source said of its file system, and nothing else of it") { bench in
            let volume = try await bench.create(bench.request("a", adding: ["trashRetention": "0"]))
            let snapshot = try await bench.take("s", of: volume.id)
            let clone = try await bench.create(bench.clone("c", from: .snapshot(snapshot.id.description)))
            let metadata = try await bench.metadata(clone.id)
            #expect(metadata[ImageMetadataKey.image] == clone.id.imageSpec)
            #expect(metadata[ImageMetadataKey.format] == nil && metadata[ImageMetadataKey.trashRetention] == nil)
            #expect(!metadata.keys.contains { $0.hasPrefix(ImageMetadataKey.snapshotPrefix) })
        },
        VolumeBehaviour("a class for another file system than the source's is refused") { bench in
            let xfs = VolumeCapability(.mount(MountAccess(fsType: "xfs")), mode: .singleNodeWriter)
            let ext4 = VolumeCapability(.mount(MountAccess(fsType: "ext4")), mode: .singleNodeWriter)
            let volume = try await bench.create(bench.request("a", capability: ext4))
            let source = ContentSource.volume(volume.id.description)
            await bench.expect(.invalidArgument) {
                _ = try await bench.create(bench.clone("c", from: source, capability: xfs))
            }
            _ = try await bench.create(bench.clone("c", from: source, capability: ext4))
        },
    ]
}
