import Testing
import Volumes

@testable import nacre

@Suite("What the commands print")
struct OutputTests {
    private let volume: Volume

    init() throws {
        let id = try VolumeID(clusterID: "a", pool: "rbd", namespace: "", image: "csi-vol-1")
        volume = Volume(id: id, capacityBytes: 3 << 29, context: ["pool": "rbd"])
    }

    @Test("A table's columns are as wide as their widest cell, and lines end without spaces")
    func table() {
        var table = Table("ID", "SIZE", "IMAGE")
        table.rows = [["a/b//c", "1 GiB", "b/c"], ["x", "1000 bytes", "y"]]
        #expect(
            table.lines() == [
                "ID      SIZE        IMAGE",
                "a/b//c  1 GiB       b/c",
                "x       1000 bytes  y",
            ]
        )
    }

    @Test("JSON has CSI's keys, sorted, with plain slashes")
    func json() throws {
        let condition = VolumeCondition(isAbnormal: true, message: "half \"made\"")
        let text = try OutputFormat.json.text(VolumeReport(volume, condition: condition))
        #expect(
            text == """
                {
                  "capacityBytes" : 1610612736,
                  "clusterID" : "a",
                  "image" : "csi-vol-1",
                  "namespace" : "",
                  "pool" : "rbd",
                  "volumeCondition" : {
                    "abnormal" : true,
                    "message" : "half \\"made\\""
                  },
                  "volumeContext" : {
                    "pool" : "rbd"
                  },
                  "volumeId" : "a/rbd//csi-vol-1"
                }
                """
        )
    }

    @Test("YAML has the same keys, and leaves out what is not known")
    func yaml() throws {
        let plain = VolumeReport(Volume(id: volume.id, capacityBytes: 1))
        #expect(
            try OutputFormat.yaml.text([plain]) == """
                - capacityBytes: 1
                  clusterID: a
                  image: csi-vol-1
                  namespace: ''
                  pool: rbd
                  volumeId: a/rbd//csi-vol-1
                """
        )
    }

    @Test("The table form is left to the command")
    func tableForm() throws {
        #expect(try OutputFormat.table.text(VolumeReport(volume)) == nil)
    }

    @Test(
        "A size for a person is exact",
        arguments: [(UInt64(3 << 29), "1536 MiB (1610612736 bytes)"), (1000, "1000 bytes"), (0, "0 bytes")]
    )
    func size(bytes: UInt64, text: String) {
        #expect(VolumeReport.size(bytes) == text)
    }
}
