import Glibc
import LinuxKernel
import RBD
import Secrets
import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

/// A tree like the kernel's, made by hand: `Fixtures` of files that a 6.1 kernel showed.
@Suite("The kernel's rbd in sysfs")
struct KernelRBDBusTests {
    private func withTree(_ body: (String) throws -> Void) throws {
        let root = "/tmp/nacre-sysfs-\(getpid())"
        let device = "\(root)/bus/rbd/devices/3"
        try KernelFile.makeDirectories(device)
        let files = [
            "pool": "replicapool", "pool_ns": "", "name": "csi-vol-1", "current_snap": "-", "major": "252",
            "minor": "48",
            "size": "1073741824", "cluster_fsid": "4f553580-125f-407b-904e-243aa7586f14",
            "client_addr": "10.77.0.2:0/3868712450",
            "config_info":
                "10.77.0.1:3300 name=node,key=nacre.2a.client.node,ms_mode=prefer-crc,ro replicapool csi-vol-1 -",
        ]
        for (name, text) in files { try KernelFile.replace("\(device)/\(name)", with: Array("\(text)\n".utf8)) }
        try KernelFile.replace("\(root)/bus/rbd/add", with: [])
        try KernelFile.replace("\(root)/bus/rbd/supported_features", with: Array("0x1bf\n".utf8))
        try body(root)
        for name in files.keys { try KernelFile.remove("\(device)/\(name)") }
        for name in ["add", "supported_features"] { try KernelFile.remove("\(root)/bus/rbd/\(name)") }
        for path in ["\(device)", "\(root)/bus/rbd/devices", "\(root)/bus/rbd", "\(root)/bus", root] {
            try KernelFile.removeDirectory(path)
        }
    }

    @Test("A device is read with its options, and the driver with its features")
    func device() throws {
        try withTree { root in
            let bus = KernelRBDBus(sysfs: root)
            let device = try #require(try bus.devices().first)
            #expect(device.path == "/dev/rbd3" && device.device == DeviceNumber(major: 252, minor: 48))
            #expect(device.snapshot == nil && device.namespace == "" && device.sizeBytes == 1 << 30)
            #expect(device.option("key") == "nacre.2a.client.node" && device.option("ro") == "")
            #expect(device.option("secret") == nil && device.monitors == ["10.77.0.1:3300"])
            #expect(bus.supportedFeatures?.contains(.objectMap) == true)
            #expect(bus.supportedFeatures?.contains(.journaling) == false)
            #expect(bus.add.hasSuffix("/bus/rbd/add"))
            #expect(bus.device(4) == nil)
        }
    }
}
