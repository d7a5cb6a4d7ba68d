internal import ExactText
internal import FoundationEssentials

/// The parameters that only the node reads, on the image: a PersistentVolume has them, a volume of the command line does
/// not.
public enum NodeParameters {
    static let keys: [ParameterKey] = [.mounter, .tryOtherMounters, .mapOptions, .unmapOptions, .mkfsOptions]

    /// What is written on the image, a JSON object; `nil` if none of them is given.
    ///
    /// - Parameter parameters: A class's, or those of a create.
    /// - Returns: The text.
    public static func text(of parameters: [String: String]) -> String? {
        let kept = parameters.filter { name, _ in keys.contains { $0.rawValue == name } }
        guard !kept.isEmpty else { return nil }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(kept)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The `mkfsOptions` that an image's metadata say; `nil` if none were given.
    public static func mkfsOptions(in metadata: [String: String]) -> String? {
        parameters(in: metadata[ImageMetadataKey.nodeParameters])[ParameterKey.mkfsOptions.rawValue]
    }

    /// What is wrong with the parameters of an image's metadata; `nil` if they can be read, or there are none.
    public static func fault(in metadata: [String: String]) -> String? {
        let key = ImageMetadataKey.nodeParameters
        guard let text = metadata[key] else { return nil }
        guard (try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))) == nil else { return nil }
        return "its image's metadata '\(key)' is not a JSON object of texts: '\(text.printable)'"
    }

    /// What `text` was made from; empty for anything else, and without keys that a node does not read.
    public static func parameters(in text: String?) -> [String: String] {
        guard let text, let found = try? JSONDecoder().decode([String: String].self, from: Data(text.utf8)) else {
            return [:]
        }
        return found.filter { name, _ in keys.contains { $0.rawValue == name } }
    }
}
