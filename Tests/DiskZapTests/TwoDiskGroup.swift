/// The second disk of a volume group on two disks, by its physical volume: an OSD's volume begins on the other disk.
enum TwoDiskGroup {
    static let own = String(repeating: "b", count: 32)
    static let other = String(repeating: "a", count: 32)
    static let cluster = "11111111-2222-3333-4444-555555555555"

    /// 1014 MiB of the volume are on the first disk, so its offset 1 GiB is 10 MiB into its part here.
    private static let text = """
        ceph-two {
        id = "\(String(repeating: "c", count: 32))"
        seqno = 3
        extent_size = 4096
        physical_volumes {
        pv0 { id = "\(other)" pe_start = 2048 pe_count = 507 }
        pv1 { id = "\(own)" pe_start = 2048 pe_count = 1024 }
        }
        logical_volumes {
        osd-block-x {
        id = "\(String(repeating: "d", count: 32))"
        tags = ["ceph.type=block", "ceph.cluster_fsid=\(cluster)", "ceph.osd_id=7"]
        segment1 { start_extent = 0 extent_count = 507 type = "striped" stripes = ["pv0", 0] }
        segment2 { start_extent = 507 extent_count = 1000 type = "striped" stripes = ["pv1", 200] }
        }
        }
        }

        """

    /// The first 8 KiB of the disk.
    static func bytes() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 8192)
        func put(_ value: some Collection<UInt8>, _ offset: Int) {
            bytes.replaceSubrange(offset..<(offset + value.count), with: value)
        }
        func number(_ value: UInt64, _ width: Int) -> [UInt8] {
            (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
        }
        let body = Array(text.utf8)
        // The area: 4096 to 8192, its text behind its header.
        put(Array(" LVM2 x[5A%r0N*>".utf8) + number(1, 4) + number(4096, 8) + number(4096, 8), 4100)
        put(number(512, 8) + number(UInt64(body.count), 8) + number(UInt64(crc(body)), 4), 4136)
        put(number(UInt64(crc(Array(bytes[4100..<4608]))), 4), 4096)
        put(body, 4608)
        // The label in sector 1: a data area, an end, a metadata area, an end.
        put(Array("LABELONE".utf8) + number(1, 8) + number(0, 4) + number(32, 4) + Array("LVM2 001".utf8), 512)
        put(Array(own.utf8) + number(3 << 30, 8), 544)
        put(number(1 << 20, 8) + number(0, 8) + number(0, 16 / 2) + number(0, 8), 584)
        put(number(4096, 8) + number(4096, 8), 616)
        put(number(UInt64(crc(Array(bytes[532..<1024]))), 4), 528)
        return bytes
    }

    /// LVM's checksum.
    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        bytes.reduce(0xF597_A6CF) { value, byte in
            (0..<8).reduce(value ^ UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0xEDB8_8320 }
        }
    }
}
