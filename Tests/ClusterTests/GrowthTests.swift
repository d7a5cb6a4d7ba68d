import Foundation
import TestSupport
import Testing
import Volumes

/// The content of an image is checked before it grows: real file systems, on images that are not mapped.
@Suite("Growth of what is on an image", .enabled(if: MicroCluster.isThere, Comment(rawValue: MicroCluster.lack)))
struct GrowthTests {
    private func run(_ command: String) -> Int32 { system("{ \(command); } > /dev/null 2>&1") }

    @Test(
        "An image grows as far as its file system can follow, and not a MiB further",
        arguments: [
            ("mkfs.xfs -q -f", 10_000 * (100 << 20)), ("mkfs.ext4 -q -b 4096 -O ^64bit", (1 << 44) - (1 << 20)),
            ("true", .max),
        ] as [(String, Int64)],
        ["", "--object-size 8M --stripe-unit 64K --stripe-count 4"]
    )
    func follows(_ fileSystem: (String, Int64), layout: String) async throws {
        let (command, limit) = fileSystem
        let cluster = try #require(MicroCluster.current)
        let image = "csi-vol-\(UUID().uuidString.lowercased())"
        let file = "/tmp/\(image)"
        let rbd = "rbd -c \(cluster.directory)/ceph.conf"
        #expect(
            run(
                "truncate -s 400M \(file) && \(command) \(file) && \(rbd) import \(layout) \(file) replicapool/\(image)"
                    + "; s=$?; rm -f \(file); test $s = 0"
            ) == 0
        )
        #expect(run("\(rbd) image-meta set replicapool/\(image) nacre.io/request-name \(image)") == 0)
        #expect(run("\(rbd) image-meta set replicapool/\(image) nacre.io/pool-size-factor 0") == 0)
        let service = cluster.lab().service
        let credentials = try cluster.provisioner
        let id = "\(try cluster.clusterID)/replicapool//\(image)"
        func expand(_ bytes: Int64) async throws -> UInt64 {
            let request = ExpandVolumeRequest(
                volumeID: id,
                range: try CapacityRange(requiredBytes: bytes, limitBytes: 0),
                capability: nil,
                credentials: credentials
            )
            return try await service.expandVolume(request, deadline: .now + .seconds(100)).capacityBytes
        }
        #expect(try await expand(1 << 30) == 1 << 30)
        if limit != .max {
            await #expect { _ = try await expand(limit + (1 << 20)) } throws: {
                ($0 as? VolumeError)?.code == .outOfRange && "\($0)".contains("the largest size that works is")
            }
            #expect(try await expand(1 << 20) == 1 << 30)
        }
        // The object map's limit applies to all of them; the least is named. A blank one gets an ext4 some day.
        await #expect { _ = try await expand(1 << 59) } throws: {
            ($0 as? VolumeError)?.code == .outOfRange && !"\($0)".contains("object map")
                && "\($0)".contains("no file system yet") == (limit == .max)
        }
        func condition() async throws -> VolumeCondition {
            try await service.status(of: id, deadline: .now + .seconds(100)).condition
        }
        #expect(try await !condition().isAbnormal)
        // Grown behind the driver's back.
        #expect(run("\(rbd) resize --no-progress --size 20T replicapool/\(image)") == 0)
        let behind = try await condition()
        #expect(behind.isAbnormal == (limit != .max), "\(behind)")
        #expect(behind.message.contains("cannot have more than") == (limit != .max), "\(behind)")
        #expect(run("\(rbd) resize --no-progress --allow-shrink --size 1G replicapool/\(image)") == 0)
        // Its beginning is overwritten behind the driver's back.
        #expect(run("\(rbd) image-meta set replicapool/\(image) nacre.io/format 'formatted xfs'") == 0)
        #expect(try await condition().isAbnormal == (limit == .max))
        let zeros = "--io-type write --io-size 64K --io-total 64K --io-pattern seq"
        #expect(run("\(rbd) bench \(zeros) replicapool/\(image)") == 0)
        let wiped = try await condition()
        #expect(wiped.isAbnormal && wiped.message.contains("no xfs is at its beginning"), "\(wiped)")
        #expect(run("\(rbd) rm --no-progress replicapool/\(image)") == 0)
    }

    @Test(
        "An image that lacks the end of its file system is not well; grown as that says, it is",
        arguments: ["xfs -f", "ext4"]
    )
    func cut(fileSystem: String) async throws {
        let cluster = try #require(MicroCluster.current)
        let image = "csi-vol-\(UUID().uuidString.lowercased())"
        let file = "/tmp/\(image)"
        let rbd = "rbd -c \(cluster.directory)/ceph.conf"
        let format = "truncate -s 400M \(file) && mkfs.\(fileSystem) -q \(file)"
        #expect(run("\(format) && \(rbd) import \(file) replicapool/\(image); s=$?; rm -f \(file); test $s = 0") == 0)
        let service = cluster.lab().service
        let id = "\(try cluster.clusterID)/replicapool//\(image)"
        func condition() async throws -> VolumeCondition {
            try await service.status(of: id, deadline: .now + .seconds(100)).condition
        }
        #expect(run("\(rbd) resize --no-progress --allow-shrink --size 390M replicapool/\(image)") == 0)
        let cut = try await condition()
        #expect(cut.isAbnormal && cut.message.contains("390 MiB") && cut.message.contains("400 MiB"), "\(cut)")
        // Another program's image is grown by Ceph's tool.
        #expect(cut.message.contains("rbd resize --size 400M replicapool/\(image)"), "\(cut)")
        for mark in ["request-name cut", "image replicapool/\(image)"] {
            #expect(run("\(rbd) image-meta set replicapool/\(image) nacre.io/\(mark)") == 0)
        }
        #expect(try await condition().message.contains("nacre volume expand \(id) --size 400MiB"))
        #expect(run("\(rbd) resize --no-progress --size 400M replicapool/\(image)") == 0)
        let whole = try await condition()
        #expect(!whole.isAbnormal, "\(whole)")
        #expect(run("\(rbd) rm --no-progress replicapool/\(image)") == 0)
    }

    @Test("An ext4 that does not grow is behind its image by what a node would grow it for, not by a remainder")
    func remainder() async throws {
        let cluster = try #require(MicroCluster.current)
        let image = "csi-vol-\(UUID().uuidString.lowercased())"
        let file = "/tmp/\(image)"
        let rbd = "rbd -c \(cluster.directory)/ceph.conf"
        // Clusters of 4 MiB: the file system has whole ones, 400 MiB.
        let format = "truncate -s 403M \(file) && mkfs.ext4 -q -O bigalloc -C 4M \(file)"
        #expect(run("\(format) && \(rbd) import \(file) replicapool/\(image); s=$?; rm -f \(file); test $s = 0") == 0)
        #expect(run("\(rbd) image-meta set replicapool/\(image) nacre.io/request-name \(image)") == 0)
        let service = cluster.lab().service
        let id = "\(try cluster.clusterID)/replicapool//\(image)"
        for (size, isBehind) in [("403M", false), ("500M", true)] {
            #expect(run("\(rbd) resize --no-progress --size \(size) replicapool/\(image)") == 0 || size == "403M")
            let condition = try await service.status(of: id, deadline: .now + .seconds(100)).condition
            #expect(condition.isAbnormal == isBehind, "\(size): \(condition)")
            #expect(condition.message.contains("do not mount it for writing") == isBehind, "\(size): \(condition)")
        }
        #expect(run("\(rbd) rm --no-progress replicapool/\(image)") == 0)
    }
}
