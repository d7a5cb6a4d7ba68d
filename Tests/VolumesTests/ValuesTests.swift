import Testing
import Volumes

@Suite("Handles, names and sizes")
struct ValuesTests {
    @Test("A handle reads back as it was written", arguments: ["", "tenant-a"])
    func roundTrip(_ namespace: String) throws {
        let id = try VolumeID(clusterID: "c-1", pool: "replicapool", namespace: namespace, image: "csi-vol-x")
        #expect(try VolumeID(parsing: id.description) == id)
        #expect(id.imageSpec == (namespace.isEmpty ? "replicapool/csi-vol-x" : "replicapool/tenant-a/csi-vol-x"))
    }

    @Test(
        "What is no handle is refused",
        arguments: [
            "", "a", "a/b/c", "a/b/c/d/e", "/p//i", "c///i", "c/p//", "c/p/../i", "c/p//..", "c/p//.", "c/p//i\u{0}",
            "c/p//i\n", "c/p//i@snap", "c/\u{7F}//i", "c/p//\u{2028}", "0001-0009-rook-ceph-0000000000000002-b0285c97",
            String(repeating: "x", count: 129),
        ]
    )
    func refusesHandle(_ handle: String) {
        #expect(throws: VolumeError.self) { _ = try VolumeID(parsing: handle) }
    }

    @Test("A handle of ceph-csi is known as one, and nothing else is")
    func cephCSI() {
        let uuid = "9a7ea1f3-0d42-4b7e-9a1c-6f2b8d90e4aa"
        for handle in ["0001-0009-rook-ceph-0000000000000001-\(uuid)", "0001-0001-c-00000000000000ff-\(uuid)"] {
            #expect(VolumeID.isOfCephCSI(handle), "\(handle)")
        }
        for handle in [
            "", "0001", "lab/pool//csi-vol-\(uuid)", "0001-0008-rook-ceph-0000000000000001-\(uuid)",
            "0001-0009-rook-ceph-0000000000000001", "0001-ffff-rook-ceph-0000000000000001-\(uuid)",
            "0001-0009-rook-ceph-000000000000000g-\(uuid)", "0001-0009-rook-ceph-0000000000000001_\(uuid)",
        ] { #expect(!VolumeID.isOfCephCSI(handle), "\(handle)") }
    }

    @Test("A retention is read in the units people use, up to ten years")
    func retention() {
        for (text, seconds) in [("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("72h", 259_200), ("7d", 604_800)] {
            #expect(TrashRetention(parsing: text)?.seconds == UInt64(seconds), "\(text)")
        }
        for text in ["", "h", "-1", "1w", "1 h", "11000d", "99999999999", "٣"] {
            #expect(TrashRetention(parsing: text) == nil, "\(text)")
        }
    }

    @Test("A handle that would be too long names its longest part")
    func tooLong() {
        #expect {
            _ = try VolumeID(
                clusterID: "c",
                pool: String(repeating: "p", count: 90),
                namespace: "",
                image: "csi-vol-00000000-0000-0000-0000-000000000000"
            )
        } throws: { ($0 as? VolumeError)?.message.contains("pool with 90 bytes") == true }
    }

    @Test("Image names are a function of the request, the UUID of a claim kept")
    func imageNames() throws {
        let uuid = "3f1a7c5e-0d42-4b7e-9a1c-6f2b8d90e4aa"
        #expect(try ImageName.image(forRequest: "pvc-\(uuid)", prefix: "csi-vol-") == "csi-vol-\(uuid)")
        let derived = try ImageName.image(forRequest: "my volume / ünïcode", prefix: "v-")
        #expect(try ImageName.image(forRequest: "my volume / ünïcode", prefix: "v-") == derived)
        #expect(derived.hasPrefix("v-") && ImageName.endsInUUID(derived))
        // The version and variant of RFC 9562 §5.5.
        #expect(derived.dropFirst(2).dropFirst(14).first == "5")
        // Pinned: a change here would make retries miss the images of earlier releases.
        #expect(try ImageName.image(forRequest: "pinned", prefix: "") == "f28d6833-39b5-5786-b7a5-067fb71a4f31")
        #expect(
            try ImageName.image(forRequest: "pvc-\(uuid.uppercased())", prefix: "")
                != ImageName.image(forRequest: "pvc-\(uuid)", prefix: "")
        )
    }

    @Test("Names that CSI does not allow are refused", arguments: ["", "a\u{7}b", String(repeating: "n", count: 129)])
    func refusesName(_ name: String) {
        #expect(throws: VolumeError.self) { _ = try ImageName.image(forRequest: name, prefix: "csi-vol-") }
    }

    @Test(
        "A size is required rounded up to MiB, within the limit",
        arguments: [
            (0, 0, 1 << 30), (1, 0, 1 << 20), (1 << 20, 0, 1 << 20), ((1 << 20) + 1, 0, 2 << 20),
            (0, 512 << 20, 512 << 20), (0, 2 << 30, 1 << 30), (10 << 30, 10 << 30, 10 << 30),
        ] as [(Int64, Int64, UInt64)]
    )
    func sizes(_ required: Int64, _ limit: Int64, _ expected: UInt64) throws {
        #expect(try CapacityRange(requiredBytes: required, limitBytes: limit).newSizeBytes() == expected)
    }

    @Test(
        "A range that holds no size is refused",
        arguments: [
            (-1, 0, .invalidArgument), (0, -1, .invalidArgument), (2, 1, .invalidArgument), (1, 1000, .outOfRange),
            (0, 1000, .outOfRange), ((1 << 20) + 1, (2 << 20) - 1, .outOfRange), (Int64.max, 0, .outOfRange),
        ] as [(Int64, Int64, VolumeError.Code)]
    )
    func refusesRange(_ required: Int64, _ limit: Int64, _ code: VolumeError.Code) {
        #expect {
            _ = try CapacityRange(requiredBytes: required, limitBytes: limit).newSizeBytes()
        } throws: { ($0 as? VolumeError)?.code == code }
    }

    /// Marks, and what an image `p/csi-vol-9a7ea1f3-0d42-4b7e-9a1c-6f2b8d90e4aa` with them is.
    static let origins: [([String: String], ImageOrigin)] = {
        let uuid = "9a7ea1f3-0d42-4b7e-9a1c-6f2b8d90e4aa"
        let (name, image, adopted) = ("nacre.io/request-name", "nacre.io/image", "nacre.io/adopted")
        return [
            ([:], .foreign),
            ([image: "p/csi-vol-\(uuid)"], .foreign),
            ([name: "pvc-\(uuid)", image: "p/csi-vol-\(uuid)"], .made),
            ([name: "data", image: "p/csi-vol-\(uuid)"], .made),
            ([name: "pvc-\(uuid)", image: "q/csi-vol-\(uuid)"], .copied),
            ([name: "pvc-\(uuid)", image: "p/n/csi-vol-\(uuid)"], .copied),
            ([name: "pvc-\(uuid)", image: "p/x-csi-vol-\(uuid)"], .copied),
            ([name: "pvc-\(uuid)"], .made),
            ([name: "csi-vol-\(uuid)"], .made),
            ([name: "data"], .copied),
            ([adopted: "p/csi-vol-\(uuid)"], .adopted),
            ([adopted: "p/csi-vol-\(uuid)", name: "data", image: "p/other"], .adopted),
            ([adopted: "Mon Nov 30 10:00:00 UTC 2026"], .copied),
            ([adopted: "p/other"], .copied),
            ([adopted: "p/other", name: "pvc-\(uuid)"], .made),
        ]
    }()

    @Test("An image is a volume's only if its marks were written for it", arguments: origins)
    func origin(marks: [String: String], expected: ImageOrigin) throws {
        let id = try VolumeID(parsing: "c/p//csi-vol-9a7ea1f3-0d42-4b7e-9a1c-6f2b8d90e4aa")
        #expect(ImageOrigin(marks, of: id) == expected)
    }
}
