extension ImageMetadataKey {
    /// What the key of the record of a backup's snapshot begins with; the snapshot's name follows, and the value is a JSON
    /// object of texts.
    public static let backupPrefix = "nacre.backup/"
    /// The mark of an image that a backup is being restored into: a JSON object with the backup's id and how far it came.
    public static let restoring = "nacre.io/restoring"
}
