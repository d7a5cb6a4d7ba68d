import Testing

@testable import LinuxKernel

@Suite("The device mapper's messages")
struct DeviceMapperTests {
    @Test("A request has its fields where the kernel looks for them")
    func request() {
        let message = MapperMessage(.name("ceph--1-osd"), flags: MapperMessage.Flags.deferredRemove)
        #expect(message.bytes.count == 312)
        #expect(message.word(0) == 4 && message.word(12) == 312 && message.word(16) == 312)
        #expect(message.word(28) == 0x20000)
        #expect(message.text(48, limit: 128) == "ceph--1-osd")
        #expect(message.word(32) == 0, "a udev cookie would make us wait for udevd")
    }

    @Test("Numbers with more than 255 minors come back as they went", arguments: [0, 1, 255, 256, 300, 1_048_575])
    func numbers(minor: UInt32) {
        let device = DeviceNumber(major: 253, minor: minor)
        let message = MapperMessage(.device(device))
        #expect(MapperMessage.device(message.long(40)) == device)
    }

    @Test("Tables are read back as they were written")
    func tables() {
        let targets = [
            MappingTarget(startSectors: 0, lengthSectors: 8, type: "linear", parameters: "7:0 2048"),
            MappingTarget(startSectors: 8, lengthSectors: 1 << 40, type: "error", parameters: ""),
        ]
        var answer = MapperMessage(payload: MapperMessage.payload(targets))
        answer.put(2, at: 20)
        // In an answer `next` counts from the first target: of two they are the same.
        #expect(answer.targetList == targets)
    }

    @Test("A key is never shown")
    func keys() {
        let target = MappingTarget(
            startSectors: 0,
            lengthSectors: 8,
            type: "crypt",
            parameters: "aes-xts-plain64 0123456789abcdef 0 7:0 4096"
        )
        #expect(target.line == "0 8 crypt aes-xts-plain64 0000000000000000 0 7:0 4096")
    }

    @Test(
        "Names of logical volumes are taken apart",
        arguments: [
            ("ceph--3ab6-osd--block--1", "ceph-3ab6", "osd-block-1", nil), ("vg-lv", "vg", "lv", nil),
            ("vg-lv-real", "vg", "lv", "real"), ("a\\x20b-c", "a b", "c", nil),
        ] as [(String, String, String, String?)]
    )
    func names(name: String, group: String, volume: String, layer: String?) {
        let parts = MappingName(name)
        #expect(parts?.group == group && parts?.volume == volume && parts?.layer == layer)
        if layer == nil, !name.contains("\\") { #expect(MappingName.name(group: group, volume: volume) == name) }
    }

    @Test("Answers of any content end", arguments: 0..<200)
    func foreign(seed: Int) {
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1
        var bytes = [UInt8](repeating: 0, count: 312 + seed * 7)
        for index in bytes.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1
            bytes[index] = UInt8(truncatingIfNeeded: state >> 56)
        }
        for start in [0, 312, 400, 0xFFFF_FFFF] as [UInt32] {
            var answer = MapperMessage(answer: bytes)
            answer.put(start, at: 16)
            answer.put(UInt32(bytes.count), at: 12)
            _ = (answer.deviceList, answer.dependencyList, answer.targetTypes, answer.info)
            answer.put(9, at: 20)
            _ = answer.targetList
        }
    }
}
