internal import ExactText
internal import FoundationEssentials
internal import ImageMapping
internal import NodeMapping
internal import Volumes

/// How far the making of a volume's file system is, as it stands on the image: `nacre.io/format`.
///
/// | the image says | what it means |
/// | --- | --- |
/// | nothing | nobody of this version formatted it: it is blank, or was formatted by hand or by an earlier version |
/// | `formatting xfs NODE TIME TOKEN` | a node found it blank, and was about to make that file system |
/// | `formatted xfs` | that node's mkfs ended well; files may be there |
///
/// Only who has the image changes it, from the very value that was read to the next, so that a node that was taken for
/// dead cannot set it back. It never stands for a look at the image: it allows to finish what a mkfs left, and forbids to
/// take an image for blank that is not.
enum FormatState: Sendable, Hashable {
    case none
    case formatting(fileSystem: String, text: String)
    case formatted(text: String)

    init(_ text: String?) {
        guard let text else {
            self = .none
            return
        }
        let words = text.parts(at: " ", omittingEmpty: true)
        // A word of a later version forbids, as `formatted` does.
        guard words.count >= 2, words[0] == "formatting", VolumeCapability.fileSystems.contains(words[1]) else {
            self = .formatted(text: text)
            return
        }
        self = .formatting(fileSystem: words[1], text: text)
    }

    /// What stands on the image.
    var text: String? {
        switch self {
        case .none: nil
        case .formatting(_, let text), .formatted(let text): text
        }
    }

    /// The note that a node is about to make a file system; each is another.
    static func beginning(_ fileSystem: String, on nodeID: String) -> FormatState {
        let node = nodeID.printable.parts(at: " ", omittingEmpty: true).joined(separator: "_")
        let time = Date().formatted(.iso8601)
        return FormatState(
            "formatting \(fileSystem) \(node) \(time) \(String(UInt64.random(in: 0 ... .max), radix: 16))"
        )
    }

    /// The note that it is made.
    static func ended(_ fileSystem: String) -> FormatState { FormatState("formatted \(fileSystem)") }

    /// Whether it is not noted yet that a file system is made.
    ///
    /// - Parameter isOurs: Whether the image is Nacre's; others' get no note unasked.
    /// - Returns: Whether a note is due once its file system is seen.
    func isOpen(isOurs: Bool) -> Bool {
        switch self {
        case .none: isOurs
        case .formatting: true
        case .formatted: false
        }
    }

    /// The step from this state to another.
    func change(to next: FormatState) -> MetadataChange {
        MetadataChange(ImageMetadataKey.format, from: text, to: next.text ?? "")
    }
}
