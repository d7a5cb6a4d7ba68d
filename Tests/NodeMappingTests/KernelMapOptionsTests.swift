import Testing

@testable import ImageMapping
@testable import ImageOwnership
@testable import ImageServing
@testable import KernelMapping
@testable import NodeMapping

@Suite("Options of the kernel's rbd")
struct KernelMapOptionsTests {
    @Test(
        "Options are read in ceph-csi's syntax, krbd's alone",
        arguments: [
            ("", ""), ("queue_depth=64", "queue_depth=64"), ("krbd:queue_depth=64,notrim", "queue_depth=64,notrim"),
            ("nbd:try-netlink", ""), ("nbd:try-netlink;krbd:alloc_size=65536", "alloc_size=65536"),
            ("notrim;nbd:x=y", "notrim"), ("udev,noudev,share", "share"),
            (
                "crush_location=rack:a|host:b,read_from_replica=localize",
                "crush_location=rack:a|host:b,read_from_replica=localize"
            ),
        ]
    )
    func read(text: String, expected: String) throws {
        let options = try KernelMapOptions(mapOptions: text)
        #expect(options.options.map(\.text).joined(separator: ",") == expected)
    }

    @Test(
        "An option that is not krbd's, or not a class's to set, is refused without its value",
        arguments: [
            "secret=AQD2", "key=client.admin", "name=admin", "_pool_ns=other", "ro", "bogus", "queue_depth",
            "queue_depth=0",
            "queue_depth=many", "notrim=1", "ms_mode=fast", "zfs:queue_depth=1", "ip=a b", "fsid=",
        ]
    )
    func refuse(text: String) {
        #expect { try KernelMapOptions(mapOptions: text) } throws: { error in
            guard let error = error as? MappingError, error.kind == .invalid else { return false }
            return !error.message.contains("AQD2")
        }
    }

    @Test("Unmapping knows force alone")
    func force() throws {
        #expect(try KernelMapOptions.isForced(unmapOptions: "krbd:force"))
        #expect(try !KernelMapOptions.isForced(unmapOptions: "nbd:force"))
        #expect(throws: MappingError.self) { try KernelMapOptions.isForced(unmapOptions: "lazy") }
    }
}
