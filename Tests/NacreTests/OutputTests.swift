import Testing
import Timestamps
import Volumes

@testable import nacre

@Suite("What the commands print")
struct OutputTests {
    private let volume: Volume

    init() throws {
        let id = try VolumeID(clusterID: "a", pool: "rbd", namespace: "", image: "csi-vol-1")
        volume = Volume(id: id, capacityBytes: 3 << 29, context: ["pool": "rbd"])
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
                  "usedBy" : [

                  ],
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
                  usedBy: []
                  volumeId: a/rbd//csi-vol-1
                """
        )
    }

    @Test("The table form is left to the command")
    func tableForm() throws {
        #expect(try OutputFormat.table.text(VolumeReport(volume)) == nil)
    }

    @Test(
        "A size for a person is exact, and a command reads it back",
        arguments: [
            (UInt64(3) << 29, "1.5GiB"), (UInt64(10) << 30, "10GiB"), (UInt64(1000), "1000"), (UInt64(0), "0"),
            (UInt64(1) << 40, "1TiB"), (UInt64(100) << 40, "100TiB"), (UInt64(1) << 60, "1EiB"),
            (UInt64(1025) << 20, "1025MiB"), (UInt64(10_737_418_241), "10737418241"), (UInt64(1) << 20, "1MiB"),
            (UInt64(9) << 17, "1.125MiB"), (UInt64(1025) << 30, "1025GiB"), (UInt64(1_073_741_823), "1073741823"),
        ] as [(UInt64, String)]
    )
    func size(bytes: UInt64, text: String) throws {
        #expect(bytes.asWritten == text)
        #expect(try Quantity(parsing: text).bytes == bytes)
    }

    @Test(
        "A size in short has one decimal, rounded down, and none where that is zero",
        arguments: [
            (UInt64(3_607_772_528), "3.3GiB"), (UInt64(3) << 29, "1.5GiB"), (UInt64(10) << 30, "10GiB"),
            (UInt64(0), "0B"), (UInt64(1023), "1023B"), (UInt64(1024), "1KiB"), (UInt64(1_073_741_823), "1023.9MiB"),
            (UInt64.max, "15.9EiB"), (UInt64(5) << 38, "1.2TiB"),
        ] as [(UInt64, String)]
    )
    func shortSize(bytes: UInt64, text: String) {
        #expect(bytes.inShort == text)
    }

    @Test(
        "An age is one number",
        arguments: [
            (Int64(0), "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172_799, "47h"),
            (172_800, "2d"), (31_536_000, "365d"), (-5, "0s"),
        ]
    )
    func age(seconds: Int64, text: String) {
        #expect("\(Age(of: 1_000_000_000 - seconds, at: 1_000_000_000))" == text)
        #expect("\(Age(of: nil))" == "-")
    }

    @Test("A line of the list has the name, who has it and where; what has no name goes by its image")
    func list() throws {
        var named = volume
        named.facts = VolumeFacts(metadata: ["nacre.io/request-name": "data\n1"], users: ["worker-1", "10.0.0.7:0/1"])
        let use = LocalUse(volumeID: "\(named.id)", kind: .mount, path: "/mnt/data")
        var alone = named
        alone.facts.users = ["worker-1"]
        let reports = [VolumeReport(named), VolumeReport(alone, use: use), VolumeReport(volume)]
        #expect(
            VolumeReport.table(reports, isWide: false, Terminal()) == [
                "NAME       SIZE    USED-BY                POOL  AGE",
                "data?1     1.5GiB  worker-1,10.0.0.7:0/1  rbd   -",
                "data?1     1.5GiB  worker-1:/mnt/data     rbd   -",
                "csi-vol-1  1.5GiB  -                      rbd   -",
            ]
        )
        let device = LocalUse(volumeID: "\(named.id)", kind: .device, path: "/run/nacre/cli/\(named.id)/device")
        let mapped = VolumeReport(alone, use: device)
        #expect(VolumeReport.table([mapped], isWide: false, Terminal())[1].contains("  worker-1:device  "))
        #expect(mapped.lines(Terminal()).contains { $0.hasSuffix("worker-1:\(device.path)") })
        var turned = volume
        turned.facts = VolumeFacts(metadata: [
            "nacre.io/request-name": "a\u{202E}b", "nacre.io/format": "formatted ext4",
        ])
        let lines = VolumeReport(turned).lines(Terminal())
        #expect(lines.contains("NAME         a?b") && lines.contains("FILE SYSTEM  ext4"), "\(lines)")
        let wide = VolumeReport.table(reports, isWide: true, Terminal())
        #expect(wide[3].hasSuffix("a/rbd//csi-vol-1"))
    }

    @Test("A file system that was left behind is told from one that only keeps a part for itself")
    func outgrown() {
        #expect(FileSystemShare.isOutgrown(fileSystem: 20 << 30, by: 100 << 40))
        #expect(FileSystemShare.isOutgrown(fileSystem: 10 << 30, by: 20 << 30))
        #expect(!FileSystemShare.isOutgrown(fileSystem: 236 << 20, by: 300 << 20))
        #expect(!FileSystemShare.isOutgrown(fileSystem: 9 << 30, by: 10 << 30))
    }
}
