import Testing
import Volumes

@Suite("Snapshots' handles, names and records")
struct SnapshotValuesTests {
    private static let uuid = "0a1b2c3d-0000-4000-8000-000000000001"

    @Test("A handle reads back as it was written", arguments: ["", "tenant-a"])
    func roundTrip(_ namespace: String) throws {
        let volume = try VolumeID(clusterID: "c-1", pool: "replicapool", namespace: namespace, image: "csi-vol-x")
        let id = try SnapshotID(of: volume, imageID: "5e1f2a3b4c5d", name: "csi-snap-\(Self.uuid)")
        #expect(id.description == "c-1/replicapool/\(namespace)/5e1f2a3b4c5d@csi-snap-\(Self.uuid)")
        #expect(try SnapshotID(parsing: id.description) == id)
        #expect(id.spec(ofImage: "x") == (namespace.isEmpty ? "replicapool/x@" : "replicapool/tenant-a/x@") + id.name)
    }

    @Test(
        "What is no handle is refused",
        arguments: [
            "", "a", "c/p//i", "c/p//i@", "c/p//@s", "c/p//i@s@t", "c/p/i@s", "c/p//i@s/x", "c/p/../i@s", "c/p//i@s\n",
            "/p//i@s", String(repeating: "x", count: 129),
        ]
    )
    func refusesHandle(_ handle: String) {
        #expect(throws: VolumeError.self) { _ = try SnapshotID(parsing: handle) }
    }

    @Test("A handle has no more bytes than CSI allows, and an error says which part is too long")
    func longest() throws {
        let pool = String(repeating: "p", count: 70)
        #expect {
            _ = try SnapshotID(
                clusterID: "c",
                pool: pool,
                namespace: "",
                imageID: "5e1f2a3b4c5d",
                name: "csi-snap-\(Self.uuid)"
            )
        } throws: { ($0 as? VolumeError)?.message.contains("the longest part is pool with 70 bytes") == true }
    }

    @Test("A snapshot's name is a function of its request's name")
    func names() throws {
        #expect(try ImageName.snapshot(forRequest: "snapshot-\(Self.uuid)") == "csi-snap-\(Self.uuid)")
        let other = try ImageName.snapshot(forRequest: "before-upgrade")
        #expect(try other == ImageName.snapshot(forRequest: "before-upgrade") && ImageName.endsInUUID(other))
        #expect(try other != ImageName.snapshot(forRequest: "before-upgrade2"))
        // That of a volume is no snapshot's.
        #expect(try ImageName.snapshot(forRequest: "pvc-\(Self.uuid)") != "csi-snap-\(Self.uuid)")
        #expect(try ImageName.image(forRequest: "snapshot-\(Self.uuid)", prefix: "csi-vol-") != "csi-vol-\(Self.uuid)")
    }

    @Test("A record reads back as it was written, and what is none is told")
    func notes() throws {
        let notes = SnapshotNotes(
            name: "before \"it\"",
            source: "c/p//i",
            format: "formatted ext4",
            target: "c/p//j",
            others: ["k/n": "v", "name": "no", "source": "no"]
        )
        #expect(SnapshotNotes(parsing: notes.text) == notes)
        #expect(notes.others == ["k/n": "v"])
        for text in ["", "{}", "[]", #"{"name":"a"}"#, #"{"name":"a","source":1}"#] {
            #expect(SnapshotNotes(parsing: text) == nil, "\(text)")
        }
    }

    @Test("The mark of an image that is kept counts on that image alone")
    func kept() throws {
        let kept = try VolumeID(clusterID: "c", pool: "p", namespace: "", image: KeptMark.name(ofImageID: "1a2b"))
        let other = try VolumeID(clusterID: "c", pool: "p", namespace: "", image: KeptMark.name(ofImageID: "1a2c"))
        let mark = KeptMark(volume: "c/p//csi-vol-x", image: kept.imageSpec, deletedAt: 7, user: "client.a")
        let marks = [ImageMetadataKey.kept: mark.text]
        #expect(KeptMark.of(marks, kept) == mark)
        #expect(KeptMark.of(marks, other) == nil && KeptMark.of([:], kept) == nil)
        #expect(!ImageOrigin(marks.merging([ImageMetadataKey.requestName: "x"]) { $1 }, of: kept).isOurs)
    }

    @Test("A source on an image is a snapshot's handle or a volume's, and nothing else")
    func sources() {
        #expect(ContentSource(metadata: "c/p//1a2b@csi-snap-x") == .snapshot("c/p//1a2b@csi-snap-x"))
        #expect(ContentSource(metadata: "c/p//csi-vol-x") == .volume("c/p//csi-vol-x"))
        #expect(ContentSource(metadata: "nonsense") == nil && ContentSource(metadata: nil) == nil)
    }
}
