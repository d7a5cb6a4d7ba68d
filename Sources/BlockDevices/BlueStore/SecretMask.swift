/// Replaces by zeros what must not leave a disk: the key in a BlueStore label, lockbox secrets in tags of LVM.
public enum SecretMask {
    private static let tag = Array("lockbox_secret=".utf8)

    /// The same bytes with zeros in place of secrets.
    public static func masked(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        for start in stride(from: 0, to: bytes.count, by: 512) {
            let block = Array(bytes[start..<min(bytes.count, start + Int(BlueStoreLabel.blockBytes))])
            for range in BlueStoreLabel.secretRanges(in: block) {
                for index in range { result[start + index] = 0 }
            }
        }
        var index = 0
        while index + tag.count < bytes.count {
            guard bytes[index] == tag[0], bytes[index..<(index + tag.count)].elementsEqual(tag) else {
                index += 1
                continue
            }
            index += tag.count
            // A secret is base64: it ends where its tag does.
            while index < bytes.count, bytes[index] > 32, bytes[index] != UInt8(ascii: "\"") {
                result[index] = UInt8(ascii: "*")
                index += 1
            }
        }
        return result
    }
}
