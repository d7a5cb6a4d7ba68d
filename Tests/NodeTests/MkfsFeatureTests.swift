import Foundation
import Glibc
import Testing

@testable import NodeVolumes

/// Whether older kernels mount what a newer mkfs makes is told by `tools/test image`, whose mkfs.xfs is a newer one.
@Suite("Features of a new xfs")
struct MkfsFeatureTests {
    /// xfsprogs 7.2.0, /usr/share/xfsprogs/mkfs/lts_6.1.conf.
    private static let newer = """
        # V5 features that were the mkfs defaults when the upstream Linux 6.1 LTS
        # kernel was released at the end of 2022.

        [metadata]
        bigtime=1
        crc=1
        finobt=1
        inobtcount=1
        metadir=0
        reflink=1
        rmapbt=0
        autofsck=0

        [inode]
        sparse=1
        nrext64=0
        exchange=0

        [naming]
        parent=0
        """

    private func words(_ given: String?, _ features: String) throws -> [String] {
        try FileSystemOptions.mkfsArguments("xfs", given: given, kernel: "6.1.0", features: features)
    }

    @Test("What a newer mkfs.xfs turns on is turned off, unless the class speaks of it")
    func newer() throws {
        let off = ["-m", "metadir=0", "-m", "rmapbt=0", "-i", "nrext64=0", "-i", "exchange=0", "-n", "parent=0"]
        #expect(try words(nil, Self.newer) == ["-K"] + off)
        #expect(
            try words("-m rmapbt=1,bigtime=0 -n parent=1 -L exchange", Self.newer)
                == ["-m", "rmapbt=1,bigtime=0", "-n", "parent=1", "-L", "exchange"] + ["-m", "metadir=0"] + off[4..<8]
        )
        #expect(try words(nil, "") == ["-K"])
        #expect(
            try FileSystemOptions.mkfsArguments("ext4", given: "-m1", kernel: "", features: Self.newer) == ["-m", "1"]
        )
    }

    @Test("The installed mkfs.xfs takes what its own file makes us say")
    func installed() throws {
        let file = "/tmp/nacre-features-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let text = try String(contentsOfFile: FileSystemOptions.oldFeatures, encoding: .utf8)
        for given in [nil, "-d agcount=2", "-m crc=0,finobt=0 -i attr=2"] {
            let options = try words(given, text).joined(separator: " ")
            let mkfs = "truncate -s 1G \(file) && mkfs.xfs -q \(options) \(file)"
            #expect(system("{ \(mkfs); s=$?; rm -f \(file); test $s = 0; } > /dev/null 2>&1") == 0, "\(options)")
        }
    }
}
