import LinuxKernel
import NodeTestSupport
import Testing

/// Tests that run in a guest of tools/kernel-lab: a kernel of their own, whose devices nobody else has.
@Suite("A kernel", .serialized, .enabled(if: NodeLab.isInGuest, "needs a guest: run tools/test kernel"))
struct KernelTests {}

extension KernelTests {
    @Test("has rbd, nbd, device-mapper, loop devices and FUSE")
    func modules() throws {
        for path in [
            "/sys/bus/rbd/add_single_major", "/dev/nbd0", "/dev/mapper/control", "/dev/loop-control", "/dev/fuse",
        ] {
            #expect(try FileKind.of(path) != nil, "\(path)")
        }
    }
}
