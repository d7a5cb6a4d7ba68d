/// All labels of one BlueStore device, and what follows from them.
public struct BlueStoreLabels: Sendable, Hashable {
    /// The labels by their place.
    public let copies: [UInt64: BlueStoreLabel]
    /// The BlueFS super block, if there is one.
    public let blueFS: BlueFSSuperblock?

    /// Reads all label offsets of the device; `nil` if no label and no super block is there.
    public init?(_ source: any ByteSource) {
        var copies: [UInt64: BlueStoreLabel] = [:]
        for position in BlueStoreLabel.positions { copies[position] = BlueStoreLabel(source, at: position) }
        self.copies = copies
        blueFS = BlueFSSuperblock(source)
        guard !copies.isEmpty || blueFS != nil else { return nil }
    }

    /// The label that counts: the one at 0 if it is valid and has no copies, else the valid one with the highest epoch.
    public var current: BlueStoreLabel? {
        if let first = copies[0], first.isValid, !first.hasCopies { return first }
        let valid = copies.sorted { $0.key < $1.key }.map(\.value).filter(\.isValid)
        return valid.max { $0.epoch < $1.epoch } ?? copies.min { $0.key < $1.key }?.value
    }

    /// Whether valid labels name different OSDs, because one OSD was written over another.
    public var disagree: Bool {
        Set(copies.values.filter(\.isValid).map(\.osdUUID)).count > 1
    }
}
