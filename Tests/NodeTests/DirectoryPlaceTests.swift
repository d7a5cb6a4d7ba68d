import Glibc
import LinuxKernel
import NodeTestSupport
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import NodeAgent

/// Where kubelet finds file systems, with a tmpfs for a volume.
@Suite("The place of a mounted directory", .enabled(if: NodeLab.isAvailable, Comment(rawValue: NodeLab.lack)))
struct DirectoryPlaceTests {
    @Test("It appears with the volume and goes with all that was made for it; both may be repeated")
    func life() async throws {
        try await PlaceLab.run { lab in
            #expect(try lab.show())
            #expect(try !lab.show())
            try await shell("test -e \(lab.place.path)/volume")
            #expect(try DirectoryPlace.names(in: lab.place.root) == ["pvc-1"])
            #expect(try !lab.withdraw(unless: true))
            try await shell("test -e \(lab.place.path)/volume")
            #expect(try lab.withdraw())
            #expect(try lab.withdraw())
            #expect(try DirectoryPlace.names(in: lab.place.root).isEmpty)
            #expect(try MountTable.current().mounts(below: lab.place.root).isEmpty)
            try await shell("test -e \(lab.staging)/volume")
        }
    }

    /// What an agent that is killed leaves, as lines of a shell in the root; V is the staged volume.
    private static let leftovers = [
        "mkdir -p .new/pvc-1/volume",
        "mkdir -p .new/pvc-1/volume && mount --bind $V .new/pvc-1/volume",
        "mkdir -p pvc-1/volume && mount --bind $V pvc-1/volume",
        "mkdir -p .old/pvc-1/volume && mount --bind $V .old/pvc-1/volume",
        "mkdir -p .old/pvc-1/volume", "mkdir -p .old/pvc-1",
        // After a kill of one that went on from another's remains.
        "mkdir -p .old/pvc-1/volume .new/pvc-1/volume && mount --bind $V .old/pvc-1/volume "
            + "&& mount --bind $V .new/pvc-1/volume",
        "mkdir -p pvc-1/volume .old/pvc-1/volume && mount --bind $V pvc-1/volume && mount --bind $V .old/pvc-1/volume",
        // By hand, or a former device of the volume.
        "mkdir -p pvc-1/volume", "mkdir -p pvc-1/volume && mount -t tmpfs former pvc-1/volume",
    ]

    @Test("From whatever a killed agent left, it is shown, and taken away", arguments: leftovers)
    func remains(line: String) async throws {
        for isWanted in [true, false] {
            try await PlaceLab.run { lab in
                try KernelFile.makeDirectories(lab.place.root)
                try await shell("V=\(lab.staging); cd \(lab.place.root) && \(line)")
                if isWanted {
                    _ = try lab.show()
                    try await shell("test -e \(lab.place.path)/volume")
                    #expect(try MountTable.current().mounts(below: lab.place.root).count == 1)
                }
                #expect(try lab.withdraw())
                #expect(try DirectoryPlace.names(in: lab.place.root).isEmpty)
                #expect(try MountTable.current().mounts(below: lab.place.root).isEmpty)
            }
        }
    }

    @Test(
        "Whoever looks, or binds what kubelet would, gets the volume or nothing, at whatever moment",
        arguments: [false, true]
    )
    func races(isAtGate: Bool) async throws {
        try await PlaceLab.run { lab in
            let target = "\(lab.directory)/pod"
            try KernelFile.makeDirectories(target)
            if isAtGate { _ = try lab.gate().attend() }
            let isOver = Atomic(false)
            let bound = Atomic(0)
            let path = isAtGate ? lab.place.seenPath : lab.place.path
            defer { isOver.store(true, ordering: .relaxed) }
            let watcher = lab.onThread { () -> Int in
                var bare = 0
                while !isOver.load(ordering: .relaxed) {
                    var status = stat()
                    // The bare directory has no rights, the volume's root has.
                    if stat(path, &status) == 0, status.st_mode & 0o777 == 0 { bare += 1 }
                    guard mount(path, target, nil, 4096, nil) == 0 else { continue }
                    if access("\(target)/volume", F_OK) == 0 {
                        bound.add(1, ordering: .relaxed)
                    } else {
                        bare += 1
                    }
                    umount2(target, CInt(MNT_DETACH))
                }
                return bare
            }
            for round in 0..<2000 {
                _ = try lab.show()
                let isUsed = round % 3 == 0
                while try !gone(lab, unless: isUsed), !isUsed {}
            }
            // It may wait at the gate, and may have come too late each time.
            _ = try lab.show()
            try await eventually("it is bound") { bound.load(ordering: .relaxed) > 0 }
            isOver.store(true, ordering: .relaxed)
            #expect(await watcher.value == 0)
        }
    }

    /// Whether it is withdrawn; not while somebody is in the middle of a look or a bind, which makes it busy.
    private func gone(_ lab: PlaceLab, unless isUsed: Bool) throws -> Bool {
        do {
            return try lab.withdraw(unless: isUsed)
        } catch let error as KernelError where error.errno == .resourceBusy {
            return false
        }
    }
}
