import JSON
import KubernetesAPI
import Testing

@testable import NodeAgent

@Suite("The claims of a pod, for devices")
struct LocalPodTests {
    private func pod(_ volumes: JSONValue) throws -> LocalPod {
        try #require(
            LocalPod([
                "metadata": ["name": "db-0", "namespace": "ns", "uid": "p", "resourceVersion": "1"],
                "spec": ["volumes": volumes], "status": ["phase": "Pending"],
            ])
        )
    }

    @Test("A pod has the claims that it names and those that are made for it, whose names are its own and the volume's")
    func claims() throws {
        let pod = try pod([
            ["name": "data", "persistentVolumeClaim": ["claimName": "mine"]], ["name": "tmp", "emptyDir": [:]],
            ["name": "scratch", "ephemeral": ["volumeClaimTemplate": ["spec": [:]]]],
        ])
        #expect(
            pod.claims == [
                LocalPod.Claim(name: "mine", isEphemeral: false),
                LocalPod.Claim(name: "db-0-scratch", isEphemeral: true),
            ]
        )
    }

    @Test("A claim of the name that an ephemeral one has is the pod's only when the pod owns it")
    func owners() throws {
        let pod = try pod([])
        func claim(_ owners: JSONValue) -> JSONValue { ["metadata": ["ownerReferences": owners]] }
        #expect(ClaimedVolumes.isOwned(claim([["kind": "Pod", "uid": "p", "controller": true]]), by: pod))
        #expect(!ClaimedVolumes.isOwned(claim([["kind": "Pod", "uid": "other", "controller": true]]), by: pod))
        #expect(!ClaimedVolumes.isOwned(claim([["kind": "Pod", "uid": "p"]]), by: pod))
        #expect(!ClaimedVolumes.isOwned(claim([]), by: pod))
    }
}
