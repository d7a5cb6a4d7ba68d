import Foundation
import RBD
import TestSupport
import Testing
import Volumes

/// Nacre changes no images that it did not create.
@Suite("Other programs' images", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct ForeignImageTests {
    let cluster: MicroCluster
    let census: PoolCensus
    let bench: VolumeBehaviour.Bench
    let uuid = UUID().uuidString.lowercased()

    init() throws {
        cluster = try #require(MicroCluster.current)
        census = try PoolCensus(cluster, pool: "rbd")
        bench = VolumeBehaviour.Bench(
            service: cluster.lab().service,
            parameters: ["clusterID": try cluster.clusterID, "pool": "rbd"],
            credentials: try cluster.provisioner,
            prefix: "pvc"
        )
    }

    private func expectRefused(_ words: String..., body: () async throws -> Void) async {
        do {
            try await body()
            Issue.record("another program's image was changed")
        } catch let error as VolumeError {
            #expect(error.code == .failedPrecondition)
            for word in words { #expect(error.message.contains(word), "\(error.message)") }
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test(
        "An image of whatever name that `rbd create` made is not deleted, grown or taken",
        arguments: ["backup-$", "csi-vol-$", "plain"]
    )
    func made(_ pattern: String) async throws {
        let image = pattern == "plain" ? "plain-\(uuid.prefix(8))" : pattern.replacing("$", with: uuid)
        try await cluster.execute("rbd", "create", "--size", "16M", "rbd/\(image)")
        let before = try await cluster.execute("rbd", "info", "rbd/\(image)")
        let handle = "\(try cluster.clusterID)/rbd//\(image)"
        await expectRefused("'rbd/\(image)'", "16 MiB") { try await bench.delete(handle) }
        await expectRefused("'rbd/\(image)'", "16 MiB") {
            _ = try await bench.service.expandVolume(
                ExpandVolumeRequest(
                    volumeID: handle,
                    range: CapacityRange(requiredBytes: 1 << 30, limitBytes: 0),
                    capability: nil,
                    credentials: bench.credentials
                ),
                deadline: .now + .seconds(60)
            )
        }
        if pattern == "csi-vol-$" {
            await expectRefused("'rbd/\(image)'") {
                _ = try await bench.create(bench.request(uuid, required: 16 << 20))
            }
        }
        #expect(try await cluster.execute("rbd", "info", "rbd/\(image)") == before)
        #expect(try await !cluster.execute("rbd", "image-meta", "ls", "rbd/\(image)").contains("nacre"))
        // Once adopted, it is Nacre's.
        try await cluster.execute("rbd", "image-meta", "set", "rbd/\(image)", "nacre.io/adopted", "rbd/\(image)")
        try await bench.delete(handle)
        #expect(try await census.hasNoTrace(of: image))
    }

    /// How people copy an image; `$from` is the volume's, `$to` the copy.
    static let copies = [
        ("backup-11111111-2222-5333-8444-555555555555", "rbd cp --no-progress $from $to"),
        ("nightly-$", "rbd cp --no-progress $from $to"),
        ("backup-csi-vol-$", "rbd deep cp --no-progress $from $to"),
        ("replicapool/csi-vol-$", "rbd cp --no-progress $from $to"),
        (
            "staging-$",
            "rbd export --no-progress --export-format 2 $from - | rbd import --export-format 2 --no-progress - $to"
        ),
        (
            "clone-$",
            "rbd snap create --no-progress $from@s; rbd clone --rbd-default-clone-format 2 $from@s $to; rbd flatten --no-progress "
                + "$to; rbd snap purge --no-progress $from"
        ),
        ("kept-csi-vol-$", "rbd mv $from $to; rbd cp --no-progress $to $from"),
    ]

    @Test(
        "A copy of a volume's image is not the volume, whatever its name and pool; under the volume's name it is",
        arguments: copies
    )
    func copied(_ name: String, _ command: String) async throws {
        let volume = try await bench.create(bench.request(uuid, required: 16 << 20))
        let copy = name.replacing("$", with: uuid)
        let spec = copy.contains("/") ? copy : "rbd/\(copy)"
        try await cluster.execute("sh", "-ec", "from=\(volume.id.imageSpec); to=\(spec); \(command)")
        let before = try await cluster.execute("rbd", "info", spec)
        #expect(try await cluster.execute("rbd", "image-meta", "ls", spec).contains("nacre.io/request-name"))
        let handle = "\(try cluster.clusterID)/\(spec.replacing("/", with: "//"))"
        await expectRefused("'\(spec)'", "nacre.io/adopted \(spec)") { try await bench.delete(handle) }
        await expectRefused("'\(spec)'") {
            _ = try await bench.service.expandVolume(
                ExpandVolumeRequest(
                    volumeID: handle,
                    range: CapacityRange(requiredBytes: 1 << 30, limitBytes: 0),
                    capability: nil,
                    credentials: bench.credentials
                ),
                deadline: .now + .seconds(60)
            )
        }
        #expect(try await cluster.execute("rbd", "info", spec) == before)
        let status = try await bench.service.status(of: handle, deadline: .now + .seconds(100))
        #expect(status.volume.facts.name == nil && status.condition.isAbnormal, "\(status)")
        #expect(status.condition.message.contains(volume.id.imageSpec), "\(status)")
        // The volume itself, also a copy that was put under its name, is Nacre's.
        try await bench.delete(volume.id.description)
        #expect(try await census.hasNoTrace(of: volume.id.image))
        #expect(try await cluster.execute("rbd", "info", spec) == before)
        // A person's word for another image is none for this one.
        try await cluster.execute("rbd", "image-meta", "set", spec, "nacre.io/adopted", volume.id.imageSpec)
        await expectRefused("'\(spec)'") { try await bench.delete(handle) }
        try await cluster.execute("rbd", "image-meta", "set", spec, "nacre.io/adopted", spec)
        try await bench.delete(handle)
    }

    @Test(
        "An image of an earlier release, which does not say its place, is known by its name",
        arguments: [true, false]
    )
    func unplaced(isCopy: Bool) async throws {
        let volume = try await bench.create(bench.request(uuid, required: 16 << 20))
        try await cluster.execute("rbd", "image-meta", "remove", volume.id.imageSpec, "nacre.io/image")
        guard isCopy else { return try await bench.delete(volume.id.description) }
        let spec = "rbd/backup-11111111-2222-5333-8444-\(uuid.suffix(12))"
        try await cluster.execute("rbd", "cp", "--no-progress", volume.id.imageSpec, spec)
        let handle = "\(try cluster.clusterID)/\(spec.replacing("/", with: "//"))"
        await expectRefused("'\(spec)'", uuid) { try await bench.delete(handle) }
        try await bench.delete(volume.id.description)
        try await cluster.execute("rbd", "rm", "--no-progress", spec)
    }

    @Test("A repeated create gives an image of an earlier release its place, so that no copy is taken for it")
    func placed() async throws {
        let request = try bench.request(uuid, required: 16 << 20)
        let volume = try await bench.create(request)
        let image = volume.id.imageSpec
        try await cluster.execute("rbd", "image-meta", "remove", image, "nacre.io/image")
        #expect(try await bench.create(request) == volume)
        let place = try await cluster.execute("rbd", "image-meta", "get", image, "nacre.io/image")
        #expect(place.trimmingCharacters(in: .whitespacesAndNewlines) == image)
        let copy = "rbd/nightly-\(uuid)"
        try await cluster.execute("rbd", "cp", "--no-progress", image, copy)
        let handle = "\(try cluster.clusterID)/\(copy.replacing("/", with: "//"))"
        await expectRefused("'\(copy)'") { try await bench.delete(handle) }
        try await bench.delete(volume.id.description)
        // Under the name of another volume it is not that volume either, and is said to be a copy.
        let other = try bench.request(UUID().uuidString.lowercased(), required: 32 << 20)
        let taken = try bench.service.handle(of: other.name, parameters: other.parameters)
        try await cluster.execute("rbd", "mv", copy, taken.imageSpec)
        await expectRefused("'\(taken.imageSpec)'", "'\(image)'") { _ = try await bench.create(other) }
        try await cluster.execute("rbd", "rm", "--no-progress", taken.imageSpec)
    }

    @Test(
        "A retention that cannot be read refuses the delete, by the command that helps; one as in a class counts",
        arguments: ["soon", "1e9", "99999999999", "30d", "2592000s"]
    )
    func retention(text: String) async throws {
        let volume = try await bench.create(bench.request(uuid, required: 16 << 20))
        let (image, key) = (volume.id.imageSpec, "nacre.io/trash-retention")
        try await cluster.execute("rbd", "image-meta", "set", image, key, text)
        if ["30d", "2592000s"].contains(text) {
            #expect(
                try await bench.service.status(of: volume.id.description, deadline: .now + .seconds(100)).volume.facts
                    .trashSeconds == 2_592_000
            )
            let id = try #require(try await census.pool.imageID(named: volume.id.image))
            try await bench.delete(volume.id.description)
            let entry = try #require(try await census.pool.trashRecord(ofID: id))
            #expect(entry.deferredUntil - entry.deletedAt == .seconds(2_592_000))
            try await cluster.execute("rbd", "trash", "rm", "--force", "--no-progress", "rbd/\(id)")
        } else {
            await expectRefused("'\(image)'", "rbd image-meta remove \(image) \(key)") {
                try await bench.delete(volume.id.description)
            }
            #expect(try await census.isWhole(volume.id.image))
            let status = try await bench.service.status(of: volume.id.description, deadline: .now + .seconds(100))
            #expect(status.condition.isAbnormal && status.volume.facts.trashSeconds == nil, "\(status)")
            try await cluster.execute("rbd", "image-meta", "remove", image, key)
            try await bench.delete(volume.id.description)
        }
    }

    @Test("A handle of ceph-csi is refused by name, and its image stays")
    func cephCSI() async throws {
        let handle = "0001-0009-rook-ceph-0000000000000002-\(uuid)"
        await expectRefused("'\(handle)'", "ceph-csi") { try await bench.delete(handle) }
        // An invalid handle names no volume: CSI requires success.
        try await bench.delete("0001-0009-rook-\(uuid)")
    }
}
