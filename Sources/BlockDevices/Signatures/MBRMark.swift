/// A master boot record: a partition table of DOS, or one that protects a GPT.
///
/// 55 AA ends boot sectors of FAT, exFAT and NTFS as well; blkid does not count those as a table, and neither does this
/// code.
extension Format {
    static let dosTable = mbr("dos") { !$0.isProtective }
    static let protectiveMBR = mbr("PMBR") { $0.isProtective }

    private static func mbr(_ name: String, _ isThis: @escaping @Sendable (MBR) -> Bool) -> Format {
        Format(name, .partitionTable) { device in
            guard let record = MBR(device.source, sectorBytes: device.logicalSectorBytes), isThis(record) else {
                return []
            }
            let fileSystems = [Format.fat, .ntfs, .exFAT, .aixTable, .bitLocker]
            guard fileSystems.allSatisfy({ $0.find(device).isEmpty }) else { return [] }
            return [Mark(510, 2)]
        }
    }
}
