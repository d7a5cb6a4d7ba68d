/// A GUID partition table: either copy, in units of 512 and of 4096 bytes, and one left behind by a device that grew.
///
/// The signature is enough: most readers ignore a copy with a wrong CRC, but sgdisk repairs it. UEFI 2.10 §5.3.
extension Format {
    static let gpt = Format("gpt", .partitionTable) { device in
        let ends = [512, 4096].map { Magic(Array("EFI PART".utf8), beforeEnd: $0) }
        let starts = [512, 4096].map { Magic("EFI PART", at: $0) }
        let marks = (starts + ends).compactMap { $0.mark(on: device) }
        let strays = [512, 4096].compactMap { (sector: UInt64) -> Mark? in
            guard let stray = GPT(device.source, sectorBytes: sector)?.stray else { return nil }
            return Mark(stray.lba * sector, 8, "an old backup")
        }
        return marks + strays
    }
}
