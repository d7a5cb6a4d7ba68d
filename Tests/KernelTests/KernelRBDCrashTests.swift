import KernelMapping
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
        for (number, step) in Self.up.enumerated() {
            // A blank one each time, so that each formats.
            let image = "crash-up\(number)"
            let lab = try NodeLab.kernel(image, megabytes: 64)
            try await crash(lab, "up", image, step)
            try await lab.run("up", image, "ext4", observer: nil)
            #expect(try lab.kernelMapper().devices().count == 1, "\(step)")
            try await lab.run("down", image, "ext4", observer: nil)
            #expect(try lab.remains(image) == [], "\(step)")
        }
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
