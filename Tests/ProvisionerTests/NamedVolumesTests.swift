import JSON
import KubernetesAPI
import Testing

@testable import Provisioner

@Suite("Which images a Kubernetes has")
struct NamedVolumesTests {
    private static let uuid = "5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10"

    @Test(
        "A UUID anywhere in an object keeps the image that ends in it",
        arguments: [
            ["metadata": ["name": "pvc-5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10"]],
            ["spec": ["csi": ["volumeHandle": "0001-0009-rook-ceph-2-5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10"]]],
            ["spec": ["claimRef": ["uid": "5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b10"]]],
            ["metadata": ["annotations": ["note": "image csi-vol-5A1E1F8A-3C0E-4F62-9A51-0C5A6C5D7B10 is kept"]]],
        ] as [JSONValue]
    )
    func named(object: JSONValue) {
        var named = NamedVolumes()
        named.insert(allOf: object.bytes)
        #expect(named.names("csi-vol-\(Self.uuid)"))
        #expect(!named.names("csi-vol-5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b11"))
        #expect(!named.names("csi-vol"))
    }

    @Test(
        "What only resembles one names nothing",
        arguments: ["", "5a1e1f8a-3c0e", "5a1e1f8a-3c0e-4f62-9a51-0c5a6c5d7b1", "5a1e1f8a_3c0e_4f62_9a51_0c5a6c5d7b10"]
    )
    func unnamed(text: String) {
        var named = NamedVolumes()
        named.insert(allOf: JSONValue.string(text).bytes)
        #expect(!named.names("csi-vol-\(Self.uuid)"))
    }
}
