import LinuxKernel
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Testing

extension KernelTests {
    private static let up: [NodeStep] = [
        .recordingVolume, .mappingInKernel, .waitingForNode, .recordingFormat, .mounting, .recordingStaged, .binding,
    ]
    private static let down: [NodeStep] = [
        .forgettingTarget, .unmountingStage, .unmappingInKernel, .removingMapping, .forgettingVolume,
    ]

    @Test("krbd: a service killed at any step of stage and publish comes up when it is repeated")
    func crashGoingUp() async throws {
        let lab = try NodeLab.kernel("crash-up", megabytes: 64)
        for step in Self.up {
            try await crash(lab, "up", "crash-up", step)
            try await lab.run("up", "crash-up", "ext4", observer: nil)
            #expect(try lab.kernelMapper().devices().count == 1, "\(step)")
            try await lab.run("down", "crash-up", "ext4", observer: nil)
            // Blank again, so that the next one formats.
            _ = try lab.map(lab.mapRequest("crash-up"))
            try await shell("blkdiscard /dev/rbd0")
            try lab.unmap("crash-up")
        }
        #expect(try lab.remains("crash-up") == [])
    }

    @Test("krbd: a service killed at any step of unpublish and unstage leaves nothing when it is repeated")
    func crashGoingDown() async throws {
        let lab = try NodeLab.kernel("crash-down", megabytes: 64)
        for step in Self.down {
            try await lab.run("up", "crash-down", "ext4", observer: nil)
            try await crash(lab, "down", "crash-down", step)
            try await lab.run("down", "crash-down", "ext4", observer: nil)
            #expect(try lab.kernelMapper().devices().isEmpty, "\(step)")
        }
        #expect(try lab.remains("crash-down") == [])
    }

    private func crash(_ lab: NodeLab, _ operation: String, _ image: String, _ step: NodeStep) async throws {
        let line = "\(lab.program) \(lab.directory) \(operation) \(image) ext4 \(step.rawValue) krbd"
        #expect(try await shell("\(line); echo $?").hasSuffix("137\n"), "killed at \(step)")
    }
}
