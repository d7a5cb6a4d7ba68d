import TestSupport
import Testing
import Volumes

@testable import Provisioner

private let prefix = "csi.storage.k8s.io/"

@Suite("A StorageClass' parameters")
struct ClassParametersTests {
    private let values = SecretTemplate.Values(
        volumeName: "pvc-1",
        claimNamespace: "db",
        claimName: "data",
        claimAnnotations: ["team.example/secret": "blue"]
    )

    @Test(
        "A Secret's name may hold what is known of the claim",
        arguments: [
            ("plain", "ns", "ns/plain"), ("${pvc.name}", "${pvc.namespace}", "db/data"),
            ("${pv.name}-${pvc.namespace}", "ns", "ns/pvc-1-db"), ("${pv.name}", "${pv.name}", "pvc-1/pvc-1"),
            ("${pvc.annotations['team.example/secret']}", "ns", "ns/blue"), ("a.b", "ns", "ns/a.b"),
        ]
    )
    func templates(name: String, namespace: String, result: String) throws {
        let parameters = try ClassParameters([
            prefix + "provisioner-secret-name": name, prefix + "provisioner-secret-namespace": namespace,
        ])
        #expect(try parameters.secret(for: .provisioner, values)?.description == result)
    }

    @Test(
        "A token that stands for nothing there, or a result that is no name, is refused",
        arguments: [
            ("x", "${pvc.name}"), ("x", "${pvc.annotations['team.example/secret']}"), ("${pvc.uid}", "ns"),
            ("${pvc.annotations['other']}", "ns"), ("Upper", "ns"), ("x", "a.b"), ("-x", "ns"), ("${}", "ns"),
            ("${pv.name", "ns"), ("../../x", "ns"),
        ]
    )
    func badTemplates(name: String, namespace: String) throws {
        let parameters = try ClassParameters([
            prefix + "provisioner-secret-name": name, prefix + "provisioner-secret-namespace": namespace,
        ])
        #expect(throws: VolumeError.self) { try parameters.secret(for: .provisioner, values) }
    }

    @Test("A role without a Secret of its own has the common one; the old names count, too")
    func roles() throws {
        let parameters = try ClassParameters([
            prefix + "secret-name": "common", prefix + "secret-namespace": "ns",
            prefix + "node-stage-secret-name": "node", prefix + "node-stage-secret-namespace": "ns",
            "csiProvisionerSecretName": "old", "csiProvisionerSecretNamespace": "ns",
        ])
        #expect(try parameters.secret(for: .provisioner, values)?.name == "old")
        #expect(try parameters.secret(for: .nodeStage, values)?.name == "node")
        #expect(try parameters.secret(for: .controllerExpand, values)?.name == "common")
        #expect(parameters.driver.isEmpty)
    }

    @Test(
        "Half a pair, an empty half, an unknown key and two file systems are refused",
        arguments: [
            [prefix + "provisioner-secret-name": "x"], [prefix + "node-stage-secret-namespace": "x"],
            [prefix + "secret-name": "", prefix + "secret-namespace": "x"], [prefix + "unknown": "x"],
            [prefix + "fstype": "ext4", "fstype": "ext4"], ["fsType": "ntfs"], ["nodeDelivery": "carrier pigeon"],
            ["csiNodeStageSecretName": "x"],
        ]
    )
    func refusals(parameters: [String: String]) {
        #expect(throws: VolumeError.self) { try ClassParameters(parameters) }
    }

    @Test("Both spellings of the file system are understood", arguments: [prefix + "fstype", "fstype", "fsType"])
    func fileSystem(key: String) throws {
        #expect(try ClassParameters([key: "xfs"]).fileSystem == "xfs")
    }

    @Test("The driver gets all other keys, as they are")
    func driver() throws {
        let parameters = try ClassParameters(["clusterID": "c", "pool": "p", "nodeDelivery": "local", "fstype": "ext4"])
        #expect(parameters.driver == ["clusterID": "c", "pool": "p"])
        #expect(parameters.delivery == .local)
    }

    @Test(
        "A file system's way to kubelet is named in two words, one of them also as earlier releases wrote it",
        arguments: [
            ("local", ClassParameters.Delivery.local), ("flexVolume", .flexVolume), ("flexvolume", .flexVolume),
        ]
    )
    func delivery(value: String, delivery: ClassParameters.Delivery) throws {
        #expect(try ClassParameters(["nodeDelivery": value]).delivery == delivery)
        #expect(try ClassParameters([:]).delivery == nil)
    }

    @Test("Attributes survive their way through a PersistentVolume")
    func attributes() throws {
        let attributes = VolumeAttributes(
            handle: "c/p//csi-vol-1",
            nodeSecret: SecretReference(name: "n", namespace: "ns"),
            expandSecret: nil,
            others: ["pool": "p", "mapOptions": "krbd:rxbounce"]
        )
        #expect(VolumeAttributes(options: attributes.options) == attributes)
        #expect(VolumeAttributes(options: ["schema": "2", "volumeHandle": "x"]) == nil)
    }

    @Test("A key in a class is refused by the parameter's name, and not shown")
    func refusesKeys() throws {
        for key in RecordedKey.eachType {
            for parameters in [["pool": key], ["mapOptions": "krbd:secret=\(key)"], [key: "x"]] {
                let error = #expect(throws: VolumeError.self) { try ClassParameters(parameters) }
                let words = error?.message ?? ""
                #expect(
                    words.contains("holds a cephx key") && !RecordedKey.isLeaked(key, in: Array(words.utf8)),
                    "\(words)"
                )
            }
        }
    }
}
