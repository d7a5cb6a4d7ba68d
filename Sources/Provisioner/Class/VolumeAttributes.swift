internal import JSON
internal import KubernetesAPI
internal import Volumes

/// A PersistentVolume's attributes for the node agent and for deletes: only names, never a key.
///
/// With FlexVolume they are the source's options; a `local` source has none, so there they are an annotation. They have
/// a schema number because a PersistentVolume's source cannot be changed.
package struct VolumeAttributes: Sendable, Hashable {
    /// The volume's handle.
    package var handle: String
    /// The Secret of the node's user.
    package var nodeSecret: SecretReference?
    /// The Secret of the user that grows the image.
    package var expandSecret: SecretReference?
    /// The class's other parameters, such as `mapOptions`.
    package var others: [String: String]

    /// The annotation of a `local` PersistentVolume that contains them.
    package static let annotation = "nacre.io/volume-attributes"
    private static let schema = "1"

    /// Puts attributes together.
    package init(
        handle: String,
        nodeSecret: SecretReference?,
        expandSecret: SecretReference?,
        others: [String: String]
    ) {
        self.handle = handle
        self.nodeSecret = nodeSecret
        self.expandSecret = expandSecret
        self.others = others
    }

    /// As options; the node agent relies on the keys.
    package var options: [String: String] {
        var options = others
        options["schema"] = Self.schema
        options["volumeHandle"] = handle
        options["nodeSecretName"] = nodeSecret?.name
        options["nodeSecretNamespace"] = nodeSecret?.namespace
        options["expandSecretName"] = expandSecret?.name
        options["expandSecretNamespace"] = expandSecret?.namespace
        return options
    }

    /// Reads options; `nil` if they are not Nacre's.
    package init?(options: [String: String]) {
        guard options["schema"] == Self.schema, let handle = options["volumeHandle"] else { return nil }
        var others = options
        for key in ["schema", "volumeHandle"] { others[key] = nil }
        nodeSecret = Self.take("nodeSecret", from: &others)
        expandSecret = Self.take("expandSecret", from: &others)
        self.handle = handle
        self.others = others
    }

    /// Reads those of a PersistentVolume with either source.
    init?(_ volume: PersistentVolume.Details, flexDriver: String) {
        if volume.flexDriver == flexDriver {
            self.init(options: volume.flexOptions)
            return
        }
        guard volume.localPath != nil, let text = volume.annotations[Self.annotation],
            let object = try? JSONValue(parsing: Array(text.utf8))
        else { return nil }
        self.init(options: object.stringMembers)
    }

    /// The annotation's value.
    var annotationText: String { String(decoding: JSONValue(options).bytes, as: UTF8.self) }

    private static func take(_ prefix: String, from options: inout [String: String]) -> SecretReference? {
        let name = options.removeValue(forKey: "\(prefix)Name")
        let namespace = options.removeValue(forKey: "\(prefix)Namespace")
        guard let name, let namespace else { return nil }
        return SecretReference(name: name, namespace: namespace)
    }
}
