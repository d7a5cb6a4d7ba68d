internal import Crypto
internal import ExactText

/// The name of a volume's image: a pure function of the request's name, so that a retry finds what an earlier try made.
public enum ImageName {
    /// Nacre's namespace for version-5 UUIDs; it must never change, or retries would miss their images.
    static let namespaceUUID: [UInt8] = [
        0x6e, 0x61, 0x63, 0x72, 0x65, 0x00, 0x4d, 0x8f, 0x9a, 0x1e, 0x72, 0x62, 0x64, 0x2e, 0x69, 0x6f,
    ]

    /// The longest request name, in bytes.
    ///
    /// CSI: size limits.
    public static let longestRequestBytes = 128

    /// The image's name for a request: `csi-vol-` and the UUID in `pvc-<uuid>`, or a version-5 UUID of the name.
    ///
    /// - Parameters:
    ///   - requestName: 1 to 128 bytes without control characters.
    ///   - prefix: What image names start with.
    /// - Returns: The name.
    /// - Throws: `VolumeError` with `.invalidArgument` for a name that CSI does not allow.
    public static func image(forRequest requestName: String, prefix: String) throws(VolumeError) -> String {
        try check(requestName, of: "volume")
        return prefix + uuid(forRequest: requestName)
    }

    /// What the names of Nacre's snapshots begin with.
    public static let snapshotPrefix = "csi-snap-"

    /// What the names of snapshots begin with that are there while a volume is cloned.
    public static let clonePrefix = "csi-clone-"

    /// What the names of the snapshots begin with that backups keep on an image; the backup's id follows, a UUID.
    public static let backupPrefix = "csi-backup-"

    /// The backup whose snapshot has the name; `nil` for the name of any other snapshot.
    public static func backup(ofSnapshot name: String) -> String? {
        name.behind(backupPrefix).flatMap { isUUID($0.utf8) ? $0 : nil }
    }

    /// The snapshot's name for a request: `csi-snap-` and the UUID in `snapshot-<uuid>`, or a version-5 UUID of the name.
    ///
    /// - Parameter requestName: 1 to 128 bytes without control characters.
    /// - Returns: The name.
    /// - Throws: `VolumeError` with `.invalidArgument` for a name that CSI does not allow.
    public static func snapshot(forRequest requestName: String) throws(VolumeError) -> String {
        try check(requestName, of: "snapshot")
        return snapshotPrefix + uuid(forRequest: requestName, behind: "snapshot-")
    }

    private static func check(_ requestName: String, of what: String) throws(VolumeError) {
        guard !requestName.isEmpty else { throw .invalid("\(what) name is missing") }
        guard requestName.utf8.count <= longestRequestBytes else {
            throw .invalid("\(what) name has \(requestName.utf8.count) bytes, the limit is \(longestRequestBytes)")
        }
        guard !requestName.holdsControlCharacters else {
            throw .invalid("\(what) name '\(requestName.printable)' holds a control character")
        }
    }

    /// Whether an image's name ends in a UUID, as the names that Nacre makes do.
    public static func endsInUUID(_ name: String) -> Bool {
        isUUID(name.utf8.suffix(36))
    }

    /// Whether an image of that name was made for a request, whatever the prefix was.
    ///
    /// An image whose mark was written later has its own name as the request name.
    static func isMade(_ name: String, forRequest request: String) -> Bool {
        name.isExactly(request) || name.endsExactly(with: uuid(forRequest: request))
    }

    private static func uuid(forRequest requestName: String, behind prefix: String = "pvc-") -> String {
        if let rest = requestName.behind(prefix), isUUID(rest.utf8) { return rest }
        return versionFive(of: requestName)
    }

    /// Whether a text is a UUID in lower case: 8-4-4-4-12 hex digits.
    ///
    /// Upper case would name another image.
    public static func isUUID(_ text: some Collection<UInt8>) -> Bool {
        guard text.count == 36 else { return false }
        return text.enumerated().allSatisfy { index, byte in
            switch index {
            case 8, 13, 18, 23: byte == UInt8(ascii: "-")
            default:
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
        }
    }

    /// The UUID of a name in Nacre's namespace: the same name gives the same.
    ///
    /// See: RFC 9562 §5.5.
    package static func versionFive(of name: String) -> String {
        var hash = Insecure.SHA1()
        hash.update(data: namespaceUUID)
        hash.update(data: Array(name.utf8))
        var bytes = Array(hash.finalize().prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x50
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = Array("0123456789abcdef")
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text.append("-") }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return text
    }
}
