/// A key of an image's metadata that is to change.
public struct MetadataChange: Sendable, Hashable, Codable {
    /// The key.
    public let key: String
    /// What it must have now; nothing for a key that is not there.
    public let present: String?
    /// What it becomes.
    public let value: String

    /// Names the key, what it was and what it becomes.
    public init(_ key: String, from present: String?, to value: String) {
        self.key = key
        self.present = present
        self.value = value
    }
}
