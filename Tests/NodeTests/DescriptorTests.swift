import Foundation
import NodeTestSupport
import Testing
import Volumes

@testable import NodeVolumes

/// One lost block of an ext4, by which `e2fsck -p` would lose all others.
extension NodeTests {
    /// The device of an image that is bound to be repaired; `down` it without a file system.
    private func bound(_ lab: NodeLab, _ image: String) async throws -> String {
        var request = lab.stageRequest(image, fsType: nil)
        request.context[StageRequest.repair] = "true"
        try await lab.service().stage(request, deadline: soon)
        return "\(lab.stagingPath(image))/device"
    }

    private func refusal(_ lab: NodeLab, _ image: String) async throws -> String {
        let error = await #expect(throws: VolumeError.self) {
            try await lab.service().stage(lab.stageRequest(image, fsType: "ext4"), deadline: soon)
        }
        #expect(error?.code == .failedPrecondition, "\(String(describing: error))")
        #expect(try lab.remains() == [])
        return error?.message ?? ""
    }

    @Test(
        "Lost group descriptors are refused before e2fsck -p goes by them, and what is there comes back by the repair that is told",
        arguments: [
            ("4096", 400, "-b 4096", 4096), ("1024", 64, "-b 1024", 2048),
            ("plain", 64, "-b 1024 -O ^metadata_csum", 2048),
        ]
    )
    func lostDescriptors(name: String, megabytes: Int, options: String, offset: Int) async throws {
        let image = "descriptors-\(name)"
        let lab = try await NodeLab.fresh(image, megabytes: megabytes)
        var request = lab.stageRequest(image, fsType: "ext4")
        request.context["mkfsOptions"] = options
        try await lab.service().stage(request, deadline: soon)
        try await shell("echo kept > \(lab.stagingPath(image))/kept")
        try await lab.run("down", image, "ext4", observer: nil)
        var device = try await bound(lab, image)
        let block = offset == 4096 ? 4096 : 1024
        try await shell(
            "dd if=/dev/zero of=\(device) bs=\(block) seek=\(offset / block) count=1 conv=notrunc,fsync status=none"
        )
        try await lab.run("down", image, nil, observer: nil)
        var message = ""
        for _ in 0..<2 {
            message = try await refusal(lab, image)
            #expect(message.contains("group descriptors") && message.contains("block group 0"), "\(message)")
            #expect(message.contains("nothing was changed") && !message.contains("mended"), "\(message)")
            #expect(message.contains("block bitmap in block 0") && !message.contains("Note:"), "\(message)")
        }
        let command = try #require(message.firstMatch(of: /e2fsck -f -b \d+ -B \d+/), "\(message)")
        device = try await bound(lab, image)
        // It ends with 1 when it has repaired.
        try await shell("\(command.output) -y \(device) || [ $? = 1 ]")
        try await lab.run("down", image, nil, observer: nil)
        try await lab.run("stage", image, "ext4", observer: nil)
        #expect(try await shell("cat \(lab.stagingPath(image))/kept") == "kept\n")
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }

    /// An ext4 with a file that only its journal has, as after a power cut.
    private func unreplayed(_ lab: NodeLab, _ image: String) async throws {
        let place = lab.stagingPath(image)
        try await lab.run("stage", image, "ext4", observer: nil)
        try await shell("echo kept > \(place)/kept && sync -f \(place)/kept && xfs_io -x -c 'shutdown -f' \(place)")
        try await lab.run("down", image, "ext4", observer: nil)
    }

    @Test("A journal with changes that cannot be read is not dropped, nor called mended")
    func lostJournal() async throws {
        let image = "lost-journal"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await unreplayed(lab, image)
        var device = try await bound(lab, image)
        let found = try await shell("debugfs -R 'bmap <8> 0' \(device) 2>/dev/null; blockdev --flushbufs \(device)")
        let block = try #require(
            Int(found.split(whereSeparator: \.isNewline).last { Int($0) != nil } ?? ""),
            "\(found)"
        )
        let saved = "/tmp/nacre-journal-\(getpid())"
        let copy = "bs=1024 count=1 conv=notrunc,fsync status=none"
        try await shell(
            "dd if=\(device) of=\(saved) skip=\(block) \(copy) && dd if=/dev/zero of=\(device) seek=\(block) \(copy)"
        )
        try await lab.run("down", image, nil, observer: nil)
        for _ in 0..<2 {
            let message = try await refusal(lab, image)
            #expect(
                message.contains("the journal of its ext4 is damaged") && message.contains("nothing was changed"),
                "\(message)"
            )
        }
        // Nothing was: with the block as it was, the file is there.
        device = try await bound(lab, image)
        try await shell("dd if=\(saved) of=\(device) seek=\(block) \(copy) && rm \(saved)")
        try await lab.run("down", image, nil, observer: nil)
        try await lab.run("stage", image, "ext4", observer: nil)
        #expect(try await shell("cat \(lab.stagingPath(image))/kept") == "kept\n")
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }

    @Test(
        "A descriptor that is half written, or not at all, is whole again by the journal, and needs nobody",
        // The checksum of the first; all of the last.
        arguments: [("first", 2048 + 30, 2), ("last", 2048 + 7 * 64, 64)]
    )
    func tornDescriptor(name: String, offset: Int, count: Int) async throws {
        let image = "torn-\(name)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await unreplayed(lab, image)
        let device = try await bound(lab, image)
        try await shell(
            "dd if=/dev/zero of=\(device) bs=1 seek=\(offset) count=\(count) conv=notrunc,fsync status=none"
        )
        try await lab.run("down", image, nil, observer: nil)
        try await lab.run("stage", image, "ext4", observer: nil)
        #expect(try await shell("cat \(lab.stagingPath(image))/kept") == "kept\n")
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }

    @Test("A feature that e2fsck does not know is named, with the e2fsck that does not")
    func unknownFeature() async throws {
        let image = "unknown-feature"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await lab.run("stage", image, "ext4", observer: nil)
        try await lab.run("down", image, "ext4", observer: nil)
        let device = try await bound(lab, image)
        try await shell("debugfs -w -R 'feature FEATURE_R30' \(device)")
        try await lab.run("down", image, nil, observer: nil)
        let message = try await refusal(lab, image)
        let version = try await shell("e2fsck -V 2>&1 | sed -n 's/^e2fsck \\([^ ]*\\).*/\\1/p'")
        #expect(message.contains("(FEATURE_R30)"), "\(message)")
        #expect(
            message.contains("e2fsck \(version.trimmingCharacters(in: .whitespacesAndNewlines)) of this node"),
            "\(message)"
        )
        try await lab.remove(image)
    }

    @Test("A mark that somebody else wrote before a whole ext4 is told as that, and the repair keeps what is there")
    func foreignMark() async throws {
        let image = "foreign-mark"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await lab.run("stage", image, "ext4", observer: nil)
        try await shell("echo kept > \(lab.stagingPath(image))/kept")
        try await lab.run("down", image, "ext4", observer: nil)
        var device = try await bound(lab, image)
        try await shell("printf '\\125\\252' | dd of=\(device) bs=1 seek=510 conv=notrunc,fsync status=none")
        try await lab.run("down", image, nil, observer: nil)
        let message = try await refusal(lab, image)
        #expect(message.contains("the super block of its ext4 is whole") && message.contains("wipefs"), "\(message)")
        device = try await bound(lab, image)
        try await shell("wipefs --offset 0x1fe -f \(device)")
        try await lab.run("down", image, nil, observer: nil)
        try await lab.run("stage", image, "ext4", observer: nil)
        #expect(try await shell("cat \(lab.stagingPath(image))/kept") == "kept\n")
        try await lab.run("down", image, "ext4", observer: nil)
        try await lab.remove(image)
    }

    @Test("The advice of e2fsck before a fault does not hide the fault")
    func advice() async throws {
        let file = "/tmp/nacre-advice-\(getpid())"
        let said = try await shell(
            "truncate -s 64M \(file) && mkfs.ext4 -q -b 1024 \(file) && dd if=/dev/zero of=\(file) bs=1024 seek=2 count=1 "
                + "conv=notrunc status=none; e2fsck -p -E no_optimize_extents \(file) < /dev/null; rm \(file)"
        )
        try #require(said.contains("Note: if several"), "\(said)")
        let words = ToolOutput.Check(said).description(hasChanged: false)
        #expect(words.contains("Block bitmap for group 0 is not in group") && !words.contains("Note:"), "\(words)")
        #expect(!words.contains("and and"), "\(words)")
    }
}
