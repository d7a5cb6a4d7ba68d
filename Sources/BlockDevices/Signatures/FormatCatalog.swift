/// Every format that we know, one line each.
public enum FormatCatalog {
    /// In the order of reports: formats that contain others first.
    public static let formats: [Format] = [
        .gpt, .protectiveMBR, .dosTable, .pc98Table, .sunTable, .sgiTable, .macTable, .bsdTable, .aixTable, .atariTable,
        .dasdTable,
        .ultrixTable, .unixWareTable, .solarisTable, .amigaTable, .loopTable,
        .zapMarker, .blueStore, .blueStoreCopies, .blueFS, .cephReplacement,
        .lvm2, .lvm2Metadata, .lvm1, .dmSnapshot, .dmVerity, .dmIntegrity, .luks, .bitLocker, .fileVault,
        .linuxRAID, .intelRAID, .ddf, .adaptecRAID, .lsiRAID, .jMicronRAID, .viaRAID, .siliconRAID, .nvidiaRAID,
        .promiseRAID, .highPoint37x, .highPoint45x,
        .bcache, .bcachefs, .drbd, .drbdManage, .drbdProxy, .stratis, .vdo, .vmfsMember, .vmfs, .zfs,
        .ext2, .ext3, .ext4, .ext4Test, .extJournal, .xfs, .xfsLog, .xfsRealtime, .exfs, .btrfs, .swap, .suspend,
        .f2fs, .gfs, .gfs2, .ocfs, .ocfs2, .oracleASM, .jfs, .reiserFS, .reiser4, .nilfs2, .ufs,
        .ntfs, .refs, .exFAT, .fat, .iso9660, .udf, .hfs, .hfsPlus, .apfs, .erofs, .squashFS, .squashFS3, .zoneFS, .ubi,
        .ubifs,
        .befs, .cramFS, .romFS, .bfs, .hpfs, .vxfs, .nss, .minix, .sysV, .xenix, .mpool, .scoutFSMetadata, .scoutFSData,
    ]

    /// All marks on a device or on a part of one.
    ///
    /// - Parameters:
    ///   - source: The bytes to look at.
    ///   - logicalSectorBytes: The unit of addresses.
    ///   - isThorough: Whether to search also where it takes long reads.
    /// - Returns: What was found, in the catalog's order.
    public static func signatures(
        on source: any ByteSource,
        logicalSectorBytes: UInt64 = 512,
        isThorough: Bool = true
    ) -> [FoundSignature] {
        let device = ProbedDevice(
            source: source,
            logicalSectorBytes: logicalSectorBytes,
            isThorough: isThorough
        )
        return formats.filter { source.sizeBytes >= $0.minimumBytes }.flatMap { format in
            format.find(device).map { FoundSignature(format: format.name, usage: format.usage, mark: $0) }
        }
    }
}

/// A mark that stands on a device.
public struct FoundSignature: Sendable, Hashable {
    /// The format's name.
    public let format: String
    /// What the format is for.
    public let usage: Format.Usage
    /// Where it stands.
    public let mark: Format.Mark
}
