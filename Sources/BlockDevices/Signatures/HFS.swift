/// HFS and HFS+: the volume header at 1024, and HFS+'s copy in the last sector but one.
///
/// Two letters are a weak magic, so the version of HFS+ and the block size of HFS are checked too. See: Apple TN1150;
/// big-endian.
extension Format {
    static let hfs = Format("hfs", .fileSystem, minimumBytes: 4096) { device in
        let block = device.bytes(1024, 256)
        guard block.holds("BD", at: 0), let allocation = block.big(UInt32.self, at: 20), allocation > 0,
            allocation % 512 == 0, !block.embedsPlus
        else { return [] }
        return [Mark(1024, 2)]
    }

    static let hfsPlus = Format("hfsplus", .fileSystem, minimumBytes: 4096) { device in
        [1024, device.sizeBytes - 1024].compactMap { offset in
            let block = device.bytes(offset, 64)
            // An HFS+ volume inside of an HFS volume, as Mac OS made it for older ones.
            if offset == 1024, device.bytes(1024, 256).embedsPlus { return Mark(offset, 2, "inside of hfs") }
            guard block.holds("H+", at: 0) || block.holds("HX", at: 0), let version = block.big(UInt16.self, at: 2),
                (4...5).contains(version)
            else { return nil }
            return Mark(offset, 2)
        }
    }
}

extension [UInt8] {
    fileprivate var embedsPlus: Bool { holds("BD", at: 0) && (holds("H+", at: 124) || holds("HX", at: 124)) }
}
