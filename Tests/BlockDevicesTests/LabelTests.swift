import BlockDevices
import Testing

@Suite("Labels of OSDs, volumes and encrypted devices, as other programs wrote them")
struct LabelTests {
    @Test("A main label tells cluster, OSD and role, and its key is nowhere")
    func mainLabel() throws {
        let source = try Fixture.source("bluestore-single", size: 2 << 30)
        let labels = try #require(BlueStoreLabels(source))
        let label = try #require(labels.current)
        #expect(label.isValid)
        #expect(label.clusterID == Fixture.cluster)
        #expect(label.osdUUID == Fixture.osd)
        #expect(label.osdID == 7)
        #expect(label.role == "main")
        #expect(label.metadata["osd_key"] == nil)
        #expect(labels.blueFS?.osdUUID == Fixture.osd)
        #expect(!"\(DeviceContents(source, sectorBytes: 512))".contains("osd_key"))
    }

    @Test(
        "The labels of a separate db and wal know the OSD and not the cluster",
        arguments: [("bluestore-block.db", "bluefs db", true), ("bluestore-block.wal", "bluefs wal", false)]
    )
    func parts(name: String, role: String, hasBlueFS: Bool) throws {
        let labels = try #require(BlueStoreLabels(try Fixture.source(name, size: 1 << 30)))
        #expect(labels.current?.role == role)
        #expect(labels.current?.osdUUID == Fixture.osd)
        #expect(labels.current?.clusterID == nil)
        #expect((labels.blueFS != nil) == hasBlueFS)
    }

    @Test("A changed byte is seen by the checksum", arguments: [30, 66, 82, 120, 300])
    func checksum(offset: Int) throws {
        var bytes = try Fixture.bytes("bluestore-single")
        bytes[offset] ^= 0x20
        let label = try #require(BlueStoreLabel(MemorySource(bytes), at: 0))
        #expect(!label.isValid)
    }

    @Test("A label's copies are found at every place that the device reaches", arguments: BlueStoreLabel.positions)
    func copies(position: UInt64) throws {
        let bytes = try Fixture.bytes("bluestore-single")
        let device = MemorySource(sizeBytes: 2000 << 30, parts: [(position, Array(bytes.prefix(4096)))])
        #expect(BlueStoreLabels(device)?.copies.keys.sorted() == [position])
        #expect(BlueStoreLabels(MemorySource(sizeBytes: position, parts: [(position, bytes)])) == nil)
        #expect(DeviceContents(device, sectorBytes: 4096).regions[0].owners.first?.osdID == 7)
    }

    @Test("A physical volume alone tells group, volumes, tags and where each volume lies; no secret")
    func physicalVolume() throws {
        let source = try Fixture.source("lvm", size: 3 << 30)
        let volume = try #require(LVMPhysicalVolume(source))
        #expect(volume.isLabelValid)
        let group = try #require(volume.group)
        #expect(group.name == "ceph-3ab6549f-9c8a-4000-8000-000000000001")
        #expect(group.logicalVolumes.map(\.name) == ["osd-block-\(Fixture.osd)", "osd-db-x"])
        let block = group.logicalVolumes[0]
        #expect(block.tags["ceph.cluster_fsid"] == Fixture.cluster)
        #expect(block.tags["ceph.osd_id"] == "7")
        #expect(!block.tags.keys.contains { $0.contains("secret") })
        #expect(block.secrets == ["ceph.cephx_lockbox_secret"])
        #expect(volume.extents(of: block, size: 3 << 30).extents == [ByteExtent(offset: 1 << 20, length: 2 << 30)])
        let regions = DeviceContents(source, sectorBytes: 512).regions
        #expect(regions.map { $0.owners.first?.osdID } == [nil, 7, 8])
    }

    @Test("LUKS headers tell version, and of the second, what Rook noted", arguments: [("luks1", 1), ("luks2", 2)])
    func luks(name: String, version: Int) throws {
        let header = try #require(LUKSHeader(try Fixture.source(name, size: 64 << 20)))
        #expect(header.version == version)
        #expect(header.clusterID == (version == 2 ? Fixture.cluster : nil))
        #expect(header.label == (version == 2 ? "pvc_name=set1-data-0" : ""))
    }

    @Test("A LUKS2 device whose first header was wiped is known by its second")
    func secondHeader() throws {
        let second = try Fixture.bytes("luks2-second")
        let source = MemorySource(sizeBytes: 64 << 20, parts: [(0x4000, second)])
        #expect(LUKSHeader(source)?.clusterID == Fixture.cluster)
        #expect(FormatCatalog.signatures(on: source).map(\.format) == ["crypto_LUKS"])
    }

    @Test("What is saved of a header has no key and no lockbox secret in it")
    func secretsAreMasked() throws {
        let label = try Fixture.bytes("bluestore-single")
        let key = Array("osd_key".utf8)
        let start = try #require(label.indices.first { label[$0...].starts(with: key) }) + key.count + 4
        let masked = SecretMask.masked(label)
        #expect(label[start..<(start + 40)].allSatisfy { $0 != 0 })
        #expect(masked[start..<(start + 40)].allSatisfy { $0 == 0 })
        let text = String(decoding: SecretMask.masked(try Fixture.bytes("lvm")), as: UTF8.self)
        #expect(!text.contains("AQSECRET"))
        #expect(text.contains("ceph.cluster_fsid=\(Fixture.cluster)"))
    }

    @Test("A key's name at the end of a label's block hides no more than the block has", arguments: 4080...4089)
    func keyAtTheEnd(offset: Int) throws {
        var label = Array(try Fixture.bytes("bluestore-single").prefix(4096))
        label.replaceSubrange(offset..<(offset + 7), with: Array("osd_key".utf8))
        label.replaceSubrange((offset + 7)..., with: [UInt8](repeating: 0xFF, count: 4096 - offset - 7))
        let masked = SecretMask.masked(label)
        let secret = min(offset + 11, 4096)
        // The last name ends where the block does: nothing of a value can be behind it.
        #expect(Array(masked[offset..<secret]) == Array(label[offset..<secret]))
        #expect(masked[secret...].allSatisfy { $0 == 0 })
    }
}
