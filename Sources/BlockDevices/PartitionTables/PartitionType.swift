internal import ExactText

/// The meaning of a GPT type GUID, for the types that occur on Ceph hosts.
public struct PartitionType: Sendable, Hashable {
    /// The GUID.
    public let guid: GUID
    /// sgdisk's code.
    public let code: String
    /// A name to type: `ceph-block`.
    public let name: String
    /// Whether it is Ceph's.
    public var isCeph: Bool { name.startsExactly(with: "ceph-") }

    /// The type that `nacre-disk prepare` gives a partition for this: Linux' own for all of Ceph's.
    ///
    /// The types of Ceph are those of ceph-disk, which went with Ceph 13: nothing uses a partition of theirs any more.
    public var preparedGUID: GUID { isCeph ? Self.linux ?? guid : guid }

    /// The name (PARTLABEL) that `nacre-disk prepare` gives a partition for this: `osd db`.
    ///
    /// `ceph-volume inventory` passes one with `ceph` in its name over ("Used by ceph-disk"), and so does Rook, which asks it.
    public var preparedName: String { name.replacing("ceph-", with: "osd ") }

    /// The name that `nacre-disk prepare` gave before, with this type's own GUID.
    private var formerName: String { name.replacing("ceph-", with: "ceph ") }

    /// Which of Ceph's types a partition was prepared for, by its type and name; `nil` if it was not.
    ///
    /// One of this type may have either name: `prepare` tells how to give an older one the new name.
    public static func prepared(_ entry: GPTEntry) -> PartitionType? {
        all.first { type in
            guard type.isCeph else { return false }
            return entry.name == type.preparedName && [type.preparedGUID, type.guid].contains(entry.type)
                || entry.name == type.formerName && entry.type == type.guid
        }
    }

    /// Whether a partition is one for this: as it is prepared, or of this type.
    ///
    /// Of Linux' type alone is anybody's.
    public func isPrepared(_ entry: GPTEntry) -> Bool { Self.prepared(entry) == self || entry.type == guid }

    /// Whether ceph-volume takes a partition for one of ceph-disk: it looks for `ceph` in the name.
    ///
    /// It has a list of the types as well, but asks lsblk for no PARTTYPE (16.2.15, 18.2.7, 20.2.4).
    public static func isOfCephDisk(_ entry: GPTEntry) -> Bool { entry.name.firstRange(of: "ceph") != nil }

    private static let linux = GUID(text: "0FC63DAF-8483-4772-8E79-3D69D8477DE4")

    /// The type of a GUID.
    public static func of(_ guid: GUID) -> PartitionType? { all.first { $0.guid == guid } }

    /// The GUID for a name, a code of sgdisk or a GUID.
    public static func parse(_ text: String) -> GUID? {
        let wanted = text.lowercased()
        return all.first { $0.name == wanted || $0.code.lowercased() == wanted }?.guid ?? GUID(text: text)
    }

    /// All that we know.
    public static let all: [PartitionType] = table.compactMap { code, guid, name in
        GUID(text: guid).map { PartitionType(guid: $0, code: code, name: name) }
    }

    private static let table: [(String, String, String)] = [
        ("F800", "4FBD7E29-9D25-41B8-AFD0-062C0CEFF05D", "ceph-data"),
        ("F801", "4FBD7E29-9D25-41B8-AFD0-5EC00CEFF05D", "ceph-data-plain"),
        ("F817", "4FBD7E29-9D25-41B8-AFD0-35865CEFF05D", "ceph-data-luks"),
        ("F80A", "4FBD7E29-8AE0-4982-BF9D-5A8D867AF560", "ceph-data-multipath"),
        ("F802", "45B0969E-9B03-4F30-B4C6-B4B80CEFF106", "ceph-journal"),
        ("F803", "45B0969E-9B03-4F30-B4C6-5EC00CEFF106", "ceph-journal-plain"),
        ("F813", "45B0969E-9B03-4F30-B4C6-35865CEFF106", "ceph-journal-luks"),
        ("F80B", "45B0969E-8AE0-4982-BF9D-5A8D867AF560", "ceph-journal-multipath"),
        ("F806", "CAFECAFE-9B03-4F30-B4C6-B4B80CEFF106", "ceph-block"),
        ("F810", "CAFECAFE-9B03-4F30-B4C6-5EC00CEFF106", "ceph-block-plain"),
        ("F814", "CAFECAFE-9B03-4F30-B4C6-35865CEFF106", "ceph-block-luks"),
        ("F80C", "CAFECAFE-8AE0-4982-BF9D-5A8D867AF560", "ceph-block-multipath"),
        ("F807", "30CD0809-C2B2-499C-8879-2D6B78529876", "ceph-db"),
        ("F811", "93B0052D-02D9-4D8A-A43B-33A3EE4DFBC3", "ceph-db-plain"),
        ("F815", "166418DA-C469-4022-ADF4-B30AFD37F176", "ceph-db-luks"),
        ("F80E", "EC6D6385-E346-45DC-BE91-DA2A7C8B3261", "ceph-db-multipath"),
        ("F808", "5CE17FCE-4087-4169-B7FF-056CC58473F9", "ceph-wal"),
        ("F812", "306E8683-4FE2-4330-B7C0-00A917C16966", "ceph-wal-plain"),
        ("F816", "86A32090-3647-40B9-BBBD-38D8C573AA86", "ceph-wal-luks"),
        ("F80F", "01B41E1B-002A-453C-9F17-88793989FF8F", "ceph-wal-multipath"),
        ("F809", "FB3AABF9-D25F-47CC-BF5E-721D1816496B", "ceph-lockbox"),
        ("F80D", "7F4A666A-16F3-47A2-8445-152EF4D03F6C", "ceph-lockbox-multipath"),
        ("F804", "89C57F98-2FE5-4DC0-89C1-F3AD0CEFF2BE", "ceph-creation"),
        ("F805", "89C57F98-2FE5-4DC0-89C1-5EC00CEFF2BE", "ceph-creation-plain"),
        ("8300", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "linux"),
        ("8200", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "swap"),
        ("8E00", "E6D6D379-F507-44C2-A23C-238F2A3DF928", "lvm"),
        ("FD00", "A19D880F-05FC-4D3B-A006-743F0F84911E", "raid"),
        ("EF00", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "efi"),
        ("EF02", "21686148-6449-6E6F-744E-656564454649", "bios"),
        ("0700", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "microsoft"),
    ]
}
