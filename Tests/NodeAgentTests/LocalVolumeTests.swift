import JSON
import KubernetesAPI
import Provisioner
import Testing
import Volumes

@testable import NodeAgent

@Suite("Local PersistentVolumes, as the node agent reads them")
struct LocalVolumeTests {
    private static let options: JSONValue = [
        "schema": "1", "volumeHandle": "c/p//csi-vol-1", "nodeSecretName": "n", "nodeSecretNamespace": "ns",
        "mountOptions": "noatime,discard", "mounter": "fuse",
    ]

    private func volume(_ path: String, mode: String = "Filesystem", accessModes: JSONValue = ["ReadWriteOnce"]) throws
        -> LocalVolume?
    {
        let text = String(decoding: Self.options.bytes, as: UTF8.self)
        let object: JSONValue = [
            "metadata": [
                "name": "pvc-1", "uid": "u", "resourceVersion": "1",
                "annotations": [
                    "pv.kubernetes.io/provisioned-by": "rbd.nacre.io", "nacre.io/volume-attributes": .string(text),
                ],
            ],
            "spec": [
                "capacity": ["storage": "1Gi"], "volumeMode": .string(mode), "accessModes": accessModes,
                "local": ["path": .string(path), "fsType": "xfs"],
                "claimRef": ["namespace": "ns", "name": "data", "uid": "c"],
            ],
        ]
        return LocalVolume(
            try #require(PersistentVolume(object)),
            driverName: "rbd.nacre.io",
            places: LocalVolume.Places()
        )
    }

    @Test("A file system is a directory where the controller says, mounted as the class wants")
    func directory() throws {
        let volume = try #require(try volume(DriverSettings().mountPath(of: "pvc-1")))
        #expect(volume.form == .directory(MountAccess(fsType: "xfs", mountFlags: ["noatime", "discard"])))
        #expect(volume.attributes.others == ["mounter": "fuse"])
        #expect(volume.capacityBytes == 1 << 30)
        #expect(volume.claim?.name == "data")
    }

    @Test("A device is where it always was, also of a file system that an earlier release handed to kubelet")
    func device() throws {
        let path = "\(DriverSettings().localDirectory)/pvc-1/dev"
        #expect(try volume(path, mode: "Block")?.form == .device)
        #expect(try volume(path)?.form == .device)
    }

    @Test(
        "A path of another volume, of nobody, or of the other kind is not the agent's",
        arguments: [
            "/etc", "/run/nacre/node-agent/pvc-2/volume", "/run/nacre/node-agent/pvc-1", "/var/lib/nacre/vol/pvc-1",
        ]
    )
    func foreign(path: String) throws {
        #expect(try volume(path) == nil)
        #expect(try volume(DriverSettings().mountPath(of: "pvc-1"), mode: "Block") == nil)
    }

    @Test("Who may have it at once follows the access modes")
    func modes() throws {
        let path = DriverSettings().mountPath(of: "pvc-1")
        #expect(try volume(path, accessModes: ["ReadWriteOncePod"])?.mode == .singleNodeSingleWriter)
        #expect(try volume(path, accessModes: ["ReadOnlyMany"])?.mode == .multiNodeReaderOnly)
        #expect(try volume(path)?.mode == .singleNodeWriter)
    }
}
