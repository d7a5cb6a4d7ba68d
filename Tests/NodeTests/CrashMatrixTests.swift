import ImageMapping
import ImageServing
import NodeMapping
import NodeTestSupport
import NodeVolumes
import Subprocess
import SystemPackage
import Testing

extension NodeTests {
    private static let up: [NodeStep] = [
        .recordingVolume, .recordingMapping, .clearingRemains, .startingServer, .waitingForServer, .attachingLoop,
        .probingDevice, .recordingFormat, .formatting, .recordingFormatted, .checkingFileSystem, .mounting,
        .recordingStaged,
        .recordingTarget, .binding, .protecting,
    ]
    private static let down: [NodeStep] = [
        .unmountingTarget, .removingTarget, .forgettingTarget, .unmountingStage, .detachingLoop, .unmountingFile,
        .endingServer, .removingMapping, .forgettingVolume,
    ]

    @Test("A service killed on the way up comes up when it is repeated", arguments: up)
    func crashGoingUp(step: NodeStep) async throws {
        let image = "up-\(step.rawValue)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await crash(lab, "up", image, step)
        try await lab.run("up", image, "ext4", observer: nil)
        #expect(try lab.mapper().inspect().first?.loopDevices.count == 1)
        try await shell("echo x > \(lab.stagingPath(image))/f && cat \(lab.targetPath(image))/f")
        try await lab.run("down", image, "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("A service killed on the way up can be taken down at once", arguments: up)
    func crashThenDown(step: NodeStep) async throws {
        let image = "upd-\(step.rawValue)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await crash(lab, "up", image, step)
        try await lab.run("down", image, "ext4", observer: nil)
        try await settle(lab)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("A service killed on the way down is down when it is repeated", arguments: down)
    func crashGoingDown(step: NodeStep) async throws {
        let image = "down-\(step.rawValue)"
        let lab = try await NodeLab.fresh(image, megabytes: 64)
        try await lab.run("up", image, "ext4", observer: nil)
        try await crash(lab, "down", image, step)
        try await lab.run("down", image, "ext4", observer: nil)
        #expect(try lab.remains() == [])
        try await lab.remove(image)
    }

    @Test("Every step of stage, publish, unpublish and unstage is in the matrix")
    func matrixIsWhole() {
        // ReconcileTests has the kills during growth; KernelTests has the mappers that need the kernel's rbd or nbd;
        // TwoNodesTests a holder that is dead.
        let apart: Set<NodeStep> = [
            .growingOffline, .growingFileSystem, .growingDevice, .askingMonitors, .mappingInKernel, .waitingForNode,
            .unmappingInKernel, .disconnectingDevice, .waitingForHolder,
        ]
        #expect(Set(Self.up + Self.down).union(apart) == Set(NodeStep.allCases))
    }

    func crash(
        _ lab: NodeLab,
        _ operation: String,
        _ image: String,
        _ step: NodeStep,
        fsType: String = "ext4"
    ) async throws {
        if operation == "up", step == .checkingFileSystem {
            // One that was just made is not checked.
            try await lab.run("stage", image, fsType, observer: nil)
            try await lab.run("down", image, fsType, observer: nil)
        }
        let result = try await Subprocess.run(
            .path("/usr/bin/timeout"),
            arguments: ["100", lab.program, lab.directory, operation, image, fsType, step.rawValue],
            output: .string(limit: 1 << 16)
        )
        // timeout(1) dies of its child's signal, or exits with 128 + 9.
        let wasKilled = result.terminationStatus == .signaled(9) || result.terminationStatus == .exited(137)
        #expect(wasKilled, "not killed at \(step.rawValue): \(result.terminationStatus) \(result.standardOutput)")
    }

    /// A server whose service died before the server was ready notices it when it mounts.
    private func settle(_ lab: NodeLab) async throws {
        let deadline = ContinuousClock.now + .seconds(180)
        while try lab.remains() != [], .now < deadline { try await Task.sleep(for: .milliseconds(50)) }
    }
}
