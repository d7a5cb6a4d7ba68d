/// romfs.
///
/// See: util-linux libblkid/src/superblocks.
extension Format {
    static let romFS = Format(
        "romfs",
        .fileSystem,
        Magic("-rom1fs-", at: 0),
        if: { ($0.romSize ?? 0) >= 16 },
        isSound: { device in
            // The words of the first 512 bytes, or of all if it is smaller, have the sum 0.
            let head = device.bytes(0, Int(min(512, device.romSize ?? 0)) / 4 * 4)
            return stride(from: 0, to: head.count, by: 4).reduce(UInt32(0)) {
                $0 &+ (head.big(UInt32.self, at: $1) ?? 0)
            } == 0
        }
    )
}

extension ProbedDevice {
    fileprivate var romSize: UInt32? { bytes(8, 4).big(UInt32.self, at: 0) }
}
