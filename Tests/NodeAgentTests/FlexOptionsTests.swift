import Provisioner
import Testing
import Volumes

@testable import NodeAgent

@Suite("Options of a FlexVolume")
struct FlexOptionsTests {
    /// As kubelet 1.20.2 sent them.
    private static let recorded = """
        {"clusterID":"c1","kubernetes.io/fsType":"xfs","kubernetes.io/mounterArgs.FsGroup":"2000",\
        "kubernetes.io/pod.name":"fb","kubernetes.io/pod.namespace":"default","kubernetes.io/pod.uid":"0138bcce",\
        "kubernetes.io/pvOrVolumeName":"pv-fb","kubernetes.io/readwrite":"rw",\
        "kubernetes.io/serviceAccount.name":"default","mkfsOptions":"-m0","mountOptions":"noatime,discard",\
        "nodeSecretName":"csi-rbd-node","nodeSecretNamespace":"rook-ceph","pool":"rbd","schema":"1",\
        "volumeHandle":"c1/rbd//csi-vol-1"}
        """

    @Test("What a PersistentVolume and kubelet say is told apart")
    func reads() throws {
        let options = try FlexOptions(parsing: Self.recorded)
        #expect(options.id == (try VolumeID(parsing: "c1/rbd//csi-vol-1")))
        #expect(options.fileSystem == "xfs")
        #expect(options.mountOptions == ["noatime", "discard"])
        #expect(!options.isReadOnly)
        #expect(options.nodeSecret == SecretReference(name: "csi-rbd-node", namespace: "rook-ceph"))
        #expect(options.expandSecret == nil)
        #expect(options.parameters == ["clusterID": "c1", "pool": "rbd", "mkfsOptions": "-m0"])
        #expect(options.capability.mode == .singleNodeWriter)
    }

    @Test("A key in an option is refused and not shown; what kubelet passes on of a Secret is passed over")
    func refusesKeys() throws {
        // `ceph-authtool --gen-print-key` of 20.2.4; no cluster ever had it.
        let key = "AgDp0AxrizoxFCAAalTATMVJRpzESGcP/ZxdrEK0j8RQ5AHob/qpk1vX3JY="
        for text in [#"{"volumeHandle":"\#(key)"}"#, #"{"pool":"\#(key)"}"#, #"{"\#(key)":"x"}"#] {
            let error = #expect(throws: VolumeError.self) { try FlexOptions(parsing: text) }
            let words = error?.message ?? ""
            #expect(words.contains("holds a cephx key") && !words.contains("alTATMVJRpz"), "\(words)")
        }
        let passed = Self.recorded.replacing(
            #"{"clusterID""#,
            with: #"{"kubernetes.io/secret/userKey":"\#(key)","clusterID""#
        )
        #expect(try FlexOptions(parsing: passed) == FlexOptions(parsing: Self.recorded))
        let answer = String(decoding: FlexAnswer.failure("no pool '\(key)'").bytes, as: UTF8.self)
        #expect(answer.contains("no pool '<redacted>'"))
    }

    @Test("A volume that a person wrote down needs no handle")
    func readsParts() throws {
        let options = try FlexOptions(
            parsing:
                #"{"clusterID":"c1","pool":"rbd","radosNamespace":"a","image":"mine","kubernetes.io/readwrite":"ro"}"#
        )
        #expect(options.id.description == "c1/rbd/a/mine")
        #expect(options.isReadOnly)
    }

    @Test(
        "Options that cannot be right are refused with their reason",
        arguments: [
            ("", "cannot be read"),
            ("[]", "are an array, not an object"),
            (#"{"volumeHandle":1}"#, "is a number, not a string"),
            (#"{}"#, "name no volume"),
            (#"{"clusterID":"c1","pool":"rbd"}"#, "name no volume"),
            (#"{"volumeHandle":"nonsense"}"#, "is not clusterID/pool/namespace/image"),
            (#"{"volumeHandle":"c/p//../x"}"#, "is not clusterID/pool/namespace/image"),
            (#"{"volumeHandle":"c/p//i","schema":"2"}"#, "upgrade the node agent"),
            (#"{"volumeHandle":"c/p//i","nodeSecretName":"s"}"#, "one of nodeSecretName and nodeSecretNamespace"),
        ]
    )
    func refuses(text: String, reason: String) {
        let error = #expect(throws: VolumeError.self) { try FlexOptions(parsing: text) }
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    @Test(
        "A call that cannot be right is refused",
        arguments: [
            [], [""], ["mount"], ["mount", "relative", "{}"], ["unmount", "a", "b"], ["attach", "{}", "n1"],
            ["expandfs", "{}", "", "/pods/x", "many", "1"],
        ]
    )
    func refusesCalls(arguments: [String]) {
        #expect(throws: VolumeError.self) { try FlexCall(arguments) }
    }

    @Test("kubelet's answer is one object after an exit status")
    func answers() {
        #expect(String(decoding: FlexAnswer.success.bytes, as: UTF8.self) == #"0{"status":"Success"}"#)
        #expect(
            String(decoding: FlexAnswer.failure("no \"x\"\n").bytes, as: UTF8.self)
                == #"1{"status":"Failure","message":"no \"x\"\n"}"#
        )
    }
}
