import JSON
import KubernetesAPI
import Testing
import Volumes

@testable import Provisioner

@Suite("Which claims are ours")
struct ClaimRulesTests {
    private func claim(
        annotations: [String: String] = [:],
        spec: [String: JSONValue] = [:],
        metadata: [String: JSONValue] = [:],
        phase: String = "Pending"
    ) throws -> PersistentVolumeClaim {
        var whole: JSONValue = [
            "name": "c", "namespace": "db", "uid": "u", "resourceVersion": "1", "annotations": JSONValue(annotations),
        ]
        for (key, value) in metadata { whole = whole.with(key, value) }
        var wanted: JSONValue = [
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": ["requests": ["storage": "1Gi"]],
        ]
        for (key, value) in spec { wanted = wanted.with(key, value) }
        return try #require(
            PersistentVolumeClaim(["metadata": whole, "spec": wanted, "status": ["phase": .string(phase)]])
        )
    }

    private func storageClass(_ provisioner: String = "rbd.nacre.io", waits: Bool = false) throws -> StorageClass {
        try #require(
            StorageClass([
                "metadata": ["name": "fast", "uid": "s", "resourceVersion": "1"],
                "provisioner": .string(provisioner),
                "volumeBindingMode": waits ? "WaitForFirstConsumer" : "Immediate",
            ])
        )
    }

    private func verdict(
        _ claim: PersistentVolumeClaim,
        _ storageClass: StorageClass?,
        hasCandidates: Bool = false
    ) -> String {
        switch ClaimRules.judge(
            claim,
            class: storageClass,
            driver: "rbd.nacre.io",
            hasCandidates: hasCandidates
        ) {
        case .skip: "skip"
        case .leaveToBinder: "leave"
        case .foreignSource: "foreign"
        case .unsupported(let reason): reason
        case .provision: "provision"
        }
    }

    private let new = "volume.kubernetes.io/storage-provisioner"
    private let old = "volume.beta.kubernetes.io/storage-provisioner"

    @Test("The binder's annotation decides, the new one before the old; without one the class does")
    func annotations() throws {
        let ours = try storageClass()
        #expect(verdict(try claim(), ours) == "provision")
        #expect(verdict(try claim(annotations: [old: "rbd.nacre.io"]), ours) == "provision")
        #expect(verdict(try claim(annotations: [new: "rbd.nacre.io"]), ours) == "provision")
        #expect(verdict(try claim(annotations: [new: "other", old: "rbd.nacre.io"]), ours) == "skip")
        #expect(verdict(try claim(annotations: [new: "rbd.nacre.io", old: "other"]), ours) == "provision")
    }

    @Test("A claim that has or names a volume, goes, or is another's is left alone")
    func skips() throws {
        let ours = try storageClass()
        #expect(verdict(try claim(spec: ["volumeName": "v"]), ours) == "skip")
        #expect(verdict(try claim(phase: "Bound"), ours) == "skip")
        #expect(verdict(try claim(phase: "Lost"), ours) == "skip")
        #expect(verdict(try claim(metadata: ["deletionTimestamp": "2026-01-01T00:00:00Z"]), ours) == "skip")
        #expect(verdict(try claim(), try storageClass("other")) == "skip")
        #expect(verdict(try claim(), nil) == "skip")
    }

    @Test("A class that waits for a consumer waits for the scheduler's choice")
    func waiting() throws {
        let waiting = try storageClass(waits: true)
        #expect(verdict(try claim(), waiting) == "skip")
        #expect(verdict(try claim(annotations: [ClaimRules.selectedNodeKey: ""]), waiting) == "skip")
        #expect(verdict(try claim(annotations: [ClaimRules.selectedNodeKey: "n1"]), waiting) == "provision")
    }

    @Test("While a free volume may fit, the binder has the first word")
    func candidates() throws {
        let ours = try storageClass()
        #expect(verdict(try claim(), ours, hasCandidates: true) == "leave")
        #expect(verdict(try claim(annotations: [old: "rbd.nacre.io"]), ours, hasCandidates: true) == "provision")
    }

    @Test("Content from elsewhere is not ours to fill in")
    func sources() throws {
        let source: JSONValue = ["kind": "Backup", "apiGroup": "example.com", "name": "b"]
        #expect(verdict(try claim(spec: ["dataSource": source]), try storageClass()) == "foreign")
        #expect(verdict(try claim(spec: ["dataSourceRef": source]), try storageClass()) == "foreign")
    }

    @Test("VolumeSnapshots and claims are what Nacre fills volumes from")
    func ownSources() throws {
        let claim: JSONValue = ["kind": "PersistentVolumeClaim", "name": "d"]
        let snapshot: JSONValue = ["kind": "VolumeSnapshot", "apiGroup": "snapshot.storage.k8s.io", "name": "s"]
        for source in [claim, snapshot] {
            #expect(verdict(try self.claim(spec: ["dataSource": source]), try storageClass()) == "provision")
            #expect(verdict(try self.claim(spec: ["dataSourceRef": source]), try storageClass()) == "provision")
        }
        // Of another group it is another kind.
        let other: JSONValue = ["kind": "VolumeSnapshot", "apiGroup": "example.com", "name": "s"]
        #expect(verdict(try self.claim(spec: ["dataSource": other]), try storageClass()) == "foreign")
    }

    @Test(
        "What Nacre does not do is refused by its name, and with what to do instead",
        arguments: [(["volumeAttributesClassName": "gold"], "VolumeAttributesClass 'gold'")]
            as [([String: JSONValue], String)]
    )
    func unsupported(spec: [String: JSONValue], words: String) throws {
        let reason = verdict(try claim(spec: spec), try storageClass())
        #expect(reason.contains(words) && reason.contains("; drop spec."), "\(reason)")
        // The scheduler's choice comes first, as for all.
        #expect(verdict(try claim(spec: spec), try storageClass(waits: true)) == "skip")
    }

    @Test(
        "No VolumeAttributesClass is named by an empty name, and a bound claim keeps the one that it names in the cache"
    )
    func attributesClass() throws {
        #expect(verdict(try claim(spec: ["volumeAttributesClassName": ""]), try storageClass()) == "provision")
        let bound = try claim(spec: ["volumeAttributesClassName": "gold", "volumeName": "v"], phase: "Bound")
        var settled = bound
        settled.capacityBytes = settled.requestBytes
        #expect(settled.compact.details?.attributesClass == "gold")
    }

    @Test(
        "Access modes become CSI's, or are refused",
        arguments: [
            (["ReadWriteOnce"], false, "SINGLE_NODE_WRITER"),
            (["ReadWriteOncePod"], false, "SINGLE_NODE_SINGLE_WRITER"),
            (["ReadOnlyMany"], false, "MULTI_NODE_READER_ONLY"), (["ReadWriteMany"], true, "MULTI_NODE_MULTI_WRITER"),
            (["ReadWriteMany"], false, nil), (["ReadWriteOnce", "ReadOnlyMany"], false, nil), ([], false, nil),
            (["ReadWriteOncePod", "ReadWriteOnce"], false, nil), (["Sideways"], false, nil),
        ] as [([String], Bool, String?)]
    )
    func modes(modes: [String], isBlock: Bool, expected: String?) throws {
        let claim = try claim(spec: [
            "accessModes": JSONValue(modes), "volumeMode": .string(isBlock ? "Block" : "Filesystem"),
        ])
        let names = try? ClaimRules.capabilities(claim, fileSystem: nil, mountOptions: []).map(\.mode.name)
        #expect(names == expected.map { [$0] })
    }

    @Test(
        "A class whose mount options a node would refuse provisions nothing, except a raw device",
        arguments: ["errors=panic", "bogus", "usrjquota=/etc/shadow", "noload", "noatime,nobarrier", "allocsize=64k"]
    )
    func mountOptions(options: String) throws {
        for isBlock in [false, true] {
            let claim = try claim(spec: ["volumeMode": .string(isBlock ? "Block" : "Filesystem")])
            let found = try? ClaimRules.capabilities(claim, fileSystem: nil, mountOptions: [options])
            #expect((found != nil) == isBlock)
        }
        #expect(try ClaimRules.capabilities(claim(), fileSystem: "xfs", mountOptions: ["allocsize=64k"]).count == 1)
    }

    @Test(
        "The target of a growth is external-resizer's",
        arguments: [
            (1, 2, nil, nil, false, 2), (1, 3, 2, "ControllerResizeInProgress", false, 2),
            (1, 3, 2, "ControllerResizeInProgress", true, 3), (1, 3, 2, "ControllerResizeInfeasible", false, 3),
            (1, 3, 2, "NodeResizeInfeasible", false, 2), (2, 3, 2, "NodeResizePending", false, nil),
            (1, 3, 2, "NodeResizeInProgress", false, 2), (3, 3, 3, "NodeResizePending", false, nil),
            (3, 2, 3, "ControllerResizeInProgress", false, 3), (3, 3, nil, nil, false, 3),
        ] as [(Int64, Int64, Int64?, String?, Bool, Int64?)]
    )
    func targets(volume: Int64, request: Int64, allocated: Int64?, status: String?, final: Bool, target: Int64?) {
        let bytes = ResizeTarget.bytes(
            volume: volume,
            request: request,
            allocated: allocated,
            status: status,
            failedForGood: final
        )
        #expect(bytes == target)
    }
}
