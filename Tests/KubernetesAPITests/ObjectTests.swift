import JSON
import Testing

@testable import KubernetesAPI

@Suite("Objects")
struct ObjectTests {
    private func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test("A claim is read with what it is judged by")
    func claim() throws {
        let object = try json(
            #"""
            {"metadata":{"namespace":"db","name":"data-0","uid":"u1","resourceVersion":"7",
             "annotations":{"volume.beta.kubernetes.io/storage-provisioner":"rbd.nacre.io"},"finalizers":["f"]},
             "spec":{"accessModes":["ReadWriteOnce"],"storageClassName":"fast","volumeMode":"Block",
             "resources":{"requests":{"storage":"1.5Gi"}},
             "dataSource":{"apiGroup":"snapshot.storage.k8s.io","kind":"VolumeSnapshot","name":"s"}},
             "status":{"phase":"Pending","conditions":[{"type":"Odd","status":"True"}]}}
            """#
        )
        let claim = try #require(PersistentVolumeClaim(object))
        #expect(claim.metadata.key == "db/data-0")
        #expect(claim.requestBytes == 3 << 29)
        #expect(claim.isBlock)
        #expect(claim.className == "fast")
        #expect(claim.phase == .pending)
        #expect(claim.details?.dataSource?.kindName == "VolumeSnapshot.snapshot.storage.k8s.io")
        #expect(claim.details?.conditions.count == 1)
        #expect(claim.compact.details != nil)
    }

    @Test("The cache keeps no details of a claim that has all it asked for")
    func compactClaim() throws {
        let object = try json(
            #"""
            {"metadata":{"namespace":"db","name":"c","uid":"u1","resourceVersion":"7"},
             "spec":{"volumeName":"v","resources":{"requests":{"storage":"1Gi"}}},
             "status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}
            """#
        )
        let claim = try #require(PersistentVolumeClaim(object))
        #expect(claim.compact.details == nil)
        #expect(claim.className == nil)
    }

    @Test("What has no name, uid or version is no object", arguments: ["name", "uid", "resourceVersion"])
    func incomplete(missing: String) throws {
        var metadata: JSONValue = [:]
        for name in ["name", "uid", "resourceVersion"] where name != missing { metadata = metadata.with(name, "x") }
        #expect(StorageClass(["metadata": metadata]) == nil)
    }

    @Test("Nonsense in every field is read as if it were not there")
    func nonsense() throws {
        let object = try json(
            #"""
            {"metadata":{"name":"n","uid":"u","resourceVersion":"1","annotations":[1],"finalizers":"x"},
             "spec":{"claimRef":7,"capacity":[],"accessModes":{"a":1},"storageClassName":{},"flexVolume":"x",
             "persistentVolumeReclaimPolicy":3},"status":"none"}
            """#
        )
        let volume = try #require(PersistentVolume(object))
        #expect(volume.capacityBytes == 0)
        #expect(volume.reclaimPolicy == .retain)
        #expect(volume.phase == .pending)
        #expect(volume.details?.flexDriver == nil)
    }

    @Test("A Status is kept whole")
    func status() throws {
        let status = Status(
            try json(
                #"""
                {"kind":"Status","code":422,"reason":"Invalid","message":"PersistentVolume \"x\" is invalid",
                 "details":{"retryAfterSeconds":3,"causes":[{"field":"spec.capacity","message":"Required value"}]}}
                """#
            )
        )
        #expect(status.isInvalid)
        #expect(status.retryAfter == .seconds(3))
        #expect(status.causes == ["spec.capacity: Required value"])
        #expect(status.description == #"PersistentVolume "x" is invalid"#)
    }

    @Test("A path cannot be led astray by a name")
    func paths() {
        #expect(APIPath.claim("a/../b", "c?d") == "/api/v1/namespaces/a%2F..%2Fb/persistentvolumeclaims/c%3Fd")
    }

    @Test("A point in time is written as Kubernetes does")
    func times() {
        let date = Duration.seconds(951_782_400) + .microseconds(120)
        #expect(KubernetesTime.seconds(date) == "2000-02-29T00:00:00Z")
        #expect(KubernetesTime.microseconds(date) == "2000-02-29T00:00:00.000120Z")
        #expect(KubernetesTime.seconds(.seconds(1_795_158_247)) == "2026-11-20T07:04:07Z")
    }

    @Test("A lease is named for its driver")
    func leaseName() {
        #expect(LeaderElection.leaseName(for: "rbd.nacre.io") == "rbd-nacre-io")
    }
}
