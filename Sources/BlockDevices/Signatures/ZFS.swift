/// A member of a ZFS pool: four labels of 256 KiB, two at either end.
///
/// A label has an XDR list of its configuration at 16 KiB and a ring of uberblocks from 128 KiB. The list has no magic,
/// so its first words are compared: encoding 1, either byte order, version 0, unique names. See: OpenZFS
/// include/sys/vdev_impl.h; util-linux libblkid/src/superblocks/zfs.c.
extension Format {
    static let zfs = Format("zfs_member", .raid, minimumBytes: 2 << 20) { device in
        let label: UInt64 = 256 << 10
        let end = device.sizeBytes / label * label
        return [0, label, end - 2 * label, end - label].flatMap { start in
            Self.configuration(device, start) + (device.isThorough ? Self.uberblocks(device, start) : [])
        }
    }

    private static func configuration(_ device: ProbedDevice, _ label: UInt64) -> [Mark] {
        let head = device.bytes(label + 16384, 12)
        guard head.count == 12, head[0] == 1, head[1] <= 1 else { return [] }
        let length = device.bytes(label + 16396, 4).big(UInt32.self, at: 0) ?? 0
        return head[2...].elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]) && (1..<114688).contains(length)
            ? [Mark(label + 16384, 16, "label")] : []
    }

    private static func uberblocks(_ device: ProbedDevice, _ label: UInt64) -> [Mark] {
        let ring = device.bytes(label + 131072, 131072)
        return stride(from: 0, to: ring.count, by: 1024).compactMap { offset in
            guard let little = ring.little(UInt64.self, at: offset), let big = ring.big(UInt64.self, at: offset),
                little == 0xBAB10C || big == 0xBAB10C
            else { return nil }
            return Mark(label + 131072 + UInt64(offset), 8, "uberblock")
        }
    }
}
