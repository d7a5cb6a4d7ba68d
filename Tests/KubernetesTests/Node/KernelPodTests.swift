import Foundation
import Glibc
import JSON
import KubernetesAPI
import TestSupport
import Testing

/// The node is a guest of tools/kernel-lab with a kernel that has rbd; it is slow.
@Suite("Pods on krbd, under a kubelet in its own kernel", .serialized, .enabled(if: KubeLab.isGuest, KubeLab.noGuest))
struct KernelPodTests {
    /// The node's rbd devices, by number.
    private func devices() async throws -> String {
        try await KubeLab.onNode("ls", "/sys/bus/rbd/devices").text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("Data outlives the pod, and an ext4 grows under it while it is written to", arguments: Delivery.both)
    func life(delivery: Delivery) async throws {
        try await inNodeWorld("ext4", mounter: "krbd", delivery: delivery) { world, _ in
            try await world.claim("data", size: "512Mi")
            try await world.pod("first", claim: "data")
            try await world.waitReady("first")
            #expect(try await devices() == "0")
            #expect(try await world.shell("first", "grep ' /data ' /proc/mounts | cut -d' ' -f1,3") == "/dev/rbd0 ext4")
            #expect(try await world.shell("first", "stat -c %g /data") == "2000")
            let line = "echo $i | dd of=/data/lines oflag=append conv=notrunc,fsync"
            let write = "i=0; while \(line); do i=$((i + 1)); sleep 0.2; done"
            _ = try await world.shell("first", "\(World.once) (\(write); touch /tmp/failed) > /dev/null 2>&1 & true")

            try await world.grow("data", to: "1Gi")
            try await eventually("the claim has the new size") {
                try await world.claim(named: "data")?.capacityBytes == 1 << 30
            }
            let size = try await world.shell("first", "df -k /data | tail -n 1 | awk '{ print $2 }'")
            #expect((Int(size) ?? 0) > 900 << 10, "\(size) KiB")
            #expect(try await world.shell("first", "ls /tmp; cat /sys/block/rbd0/size") == "\(1 << 21)")
            let lines = Int(try await world.shell("first", "wc -l < /data/lines")) ?? 0
            #expect(lines > 10)

            try await world.deletePod("first")
            try await eventually("nothing is mapped") { try await devices() == "" }
            try await world.pod("second", claim: "data")
            try await world.waitReady("second")
            let check = "awk '$1 != NR - 1' /data/lines | wc -l; wc -l < /data/lines"
            let found = try await world.shell("second", check).split(separator: "\n").map { Int($0) ?? -1 }
            #expect(found.first == 0 && (found.last ?? 0) >= lines, "\(found), and there were \(lines)")
            try await world.deletePod("second")
            try await eventually("nothing is mapped") { try await devices() == "" }
        }
    }
}
