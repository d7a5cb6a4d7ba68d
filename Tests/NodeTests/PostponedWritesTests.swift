import Foundation
import Glibc
import ImageIO
import ImageServing
import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import RBD
import Testing

extension NodeTests {
    /// Writes to a device, and the same to a file; each write is acknowledged before the next.
    ///
    /// More distant writes than are in progress at once; then adjacent ones, which are held; half of those again; and
    /// some that overlap two.
    private static let writes = """
        import mmap, os, random, sys
        device = os.open(sys.argv[1], os.O_WRONLY | os.O_DIRECT)
        model = os.open(sys.argv[2], os.O_WRONLY)
        random.seed(7)
        def write(offset, length=4096):
            buffer = mmap.mmap(-1, length)
            buffer.write(random.randbytes(length))
            assert os.pwrite(device, buffer, offset) == length
            assert os.pwrite(model, buffer, offset) == length
        for number in range(524): write(number << 17)
        neighbours = [(96 << 20) + (number << 12) for number in range(64)]
        random.shuffle(neighbours)
        for offset in neighbours: write(offset)
        for offset in neighbours[:32]: write(offset)
        for offset in sorted(neighbours)[:40:8]: write(offset + 2048)
        for offset in neighbours[:8]: write(offset, 8192)
        for offset in neighbours[:16]: write(offset)
        """

    @Test(
        "Acknowledged writes that are held go to the cluster together, the latest of a place wins, also through a kill",
        arguments: [false, true]
    )
    func heldWrites(isKilled: Bool) async throws {
        let image = "held-\(isKilled)"
        let lab = try await NodeLab.fresh(image)
        try await lab.service().stage(lab.stageRequest(image, fsType: nil), deadline: soon)
        let device = "\(lab.stagingPath(image))/device"
        let model = "/tmp/\(image)-\(getpid())"
        // The cluster's blank image reads as zeros, like the file.
        try await shell("truncate -s $(blockdev --getsize64 \(device)) \(model)")
        let server = try #require(lab.status(image)?.server)
        try await microCluster("freeze osd.0 osd.1 osd.2")
        try KernelFile.replace("\(model).py", with: Array(Self.writes.utf8))
        try await shell("timeout 60 /usr/bin/python3 \(model).py \(device) \(model)")
        let held = try #require(lab.status(image)?.statistics)
        #expect(held.acknowledgedEarly == 649 && held.writes == 649, "\(held)")
        // 32 were joined with earlier ones. A write that overlaps two starts both, with everything adjacent.
        #expect(held.joinedWrites > 48, "\(held)")
        if isKilled { try server.send(SIGKILL) }
        async let compared = shell("timeout 120 cmp \(model) \(device) && echo well")
        try await Task.sleep(for: .seconds(1))
        try await microCluster("thaw osd.0 osd.1 osd.2 --wait")
        #expect(try await compared == "well\n")
        if isKilled { _ = try await lab.successor(of: server, image) }
        _ = try await lab.eventually("all is stable") { lab.status(image)?.statistics?.unstableBytes == 0 ? true : nil }
        let after = try #require(lab.status(image)?.statistics)
        #expect(after.errors == 0 && after.joinedWrites >= held.joinedWrites, "\(after)")
        // Without any cache of this node.
        try await lab.run("down", image, nil, observer: nil)
        #expect(try lab.remains() == [])
        _ = try await rbd("export --no-progress rbd/\(image) \(model).export")
        try await shell("cmp \(model) \(model).export && rm \(model) \(model).export \(model).py")
        try await lab.remove(image)
    }
}
