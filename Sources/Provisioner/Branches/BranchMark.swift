internal import ExactText
internal import JSON
internal import KubernetesAPI
internal import Timestamps
package import Volumes

/// What makes a volume a branch: a writable copy of another, for a time.
///
/// It stands on the image (`ImageMetadataKey.branch`) and on the PersistentVolume. What lacks one of both is no branch, and
/// nothing deletes it for being one. How long it lasts stands on the PersistentVolume, where a person may prolong it.
package struct BranchMark: Sendable, Hashable {
    /// What a person calls it.
    package let name: String
    /// The handle of the volume that it is a copy of.
    package let source: String
    /// The name of its PersistentVolume, and of the request of its image: `pvc-UUID`.
    package let volume: String
    /// When it is over, in seconds since 1970.
    package var expires: Int64

    /// The label on PersistentVolume and claim; its value is the branch's name.
    package static let label = "nacre.io/branch"
    /// The annotation on both: the source's handle.
    static let sourceKey = "nacre.io/branch-of"
    /// The annotation on both: until when, `2026-11-21T08:09:47Z`; that of the PersistentVolume counts.
    package static let expiryKey = "nacre.io/branch-expires"

    /// The branch of that name for a claim; the same again gives the same volume.
    ///
    /// - Parameters:
    ///   - name: What a person calls it.
    ///   - source: The handle of the volume that it is a copy of.
    ///   - claim: The claim that gets it.
    ///   - expires: When it is over, in seconds since 1970.
    package init(name: String, source: String, claim: ClaimName, expires: Int64) {
        self.name = name
        self.source = source
        self.expires = expires
        volume = "pvc-" + ImageName.versionFive(of: "branch \(name) of \(source) for \(claim)")
    }

    /// Reads what an image keeps; it does not say until when.
    init?(image text: String) {
        guard let object = try? JSONValue(parsing: Array(text.utf8)), let name = object["name"]?.string,
            let source = object["of"]?.string, let volume = object["volume"]?.string
        else { return nil }
        self.name = name
        self.source = source
        self.volume = volume
        expires = 0
    }

    /// Reads a PersistentVolume; `nil` for one that is no branch, or that does not say until when it is one.
    init?(_ volume: PersistentVolume) {
        guard let object = volume.details?.object, let name = object["metadata", "labels", Self.label]?.string,
            let annotations = volume.details?.annotations, let source = annotations[Self.sourceKey],
            let expires = annotations[Self.expiryKey].flatMap({ Timestamp.seconds(parsing: $0) })
        else { return nil }
        self.name = name
        self.source = source
        self.volume = volume.metadata.name
        self.expires = expires
    }

    /// What the image keeps.
    package var imageText: String {
        let object: JSONValue = ["name": .string(name), "of": .string(source), "volume": .string(volume)]
        return String(decoding: object.bytes, as: UTF8.self)
    }

    /// What PersistentVolume and claim have for annotations.
    var annotations: [String: String] {
        [Self.sourceKey: source, Self.expiryKey: Timestamp.text(.seconds(expires))]
    }

    /// Whether an image's mark is that of the same branch.
    func isOf(image text: String?) -> Bool {
        guard let other = text.flatMap({ BranchMark(image: $0) }) else { return false }
        return other.volume.isExactly(volume) && other.name.isExactly(name) && other.source.isExactly(source)
    }
}
