internal import ExactText
import JSON
import OrderedCollections
import Provisioner
import Secrets
import Volumes

/// The options of a FlexVolume, from the PersistentVolume and from kubelet.
///
/// | key | who writes it | what |
/// | --- | --- | --- |
/// | `schema` | PV | `1`; other values are refused |
/// | `volumeHandle` | PV | the volume |
/// | `clusterID`, `pool`, `radosNamespace`, `image` | PV | the volume, in a hand-written PV without a handle |
/// | `nodeSecretName`, `nodeSecretNamespace` | PV | the Secret of the user that maps it |
/// | `expandSecretName`, `expandSecretNamespace` | PV | the Secret for growing it; used if the PV names no node Secret |
/// | `mountOptions` | PV | comma-separated; a FlexVolume cannot use the PV's field |
/// | `accessMode` | PV | `ReadOnlyMany` if it is only read; `ReadWriteOncePod` if only one pod may use it |
/// | `kubernetes.io/fsType`, `kubernetes.io/readwrite`, … | kubelet | |
/// | all others | PV | the StorageClass' parameters that the node needs |
struct FlexOptions: Sendable, Equatable {
    let id: VolumeID
    let fileSystem: String
    let mountOptions: [String]
    let isReadOnly: Bool
    /// Who may have it at once.
    let mode: VolumeCapability.Mode
    let nodeSecret: SecretReference?
    let expandSecret: SecretReference?
    let parameters: [String: String]

    private static let own: Set<String> = [
        "schema", "volumeHandle", "image", "nodeSecretName", "nodeSecretNamespace", "expandSecretName",
        "expandSecretNamespace", "mountOptions", "accessMode",
    ]
    private static let kubernetesPrefix = "kubernetes.io/"

    /// Reads kubelet's JSON.
    ///
    /// - Parameter text: An object whose members are strings.
    /// - Throws: `VolumeError` with `.invalidArgument` that names the key.
    init(parsing text: String) throws(VolumeError) {
        let options = try Self.members(of: text)
        if let schema = options["schema"], schema != "1" {
            throw .invalid(
                "the PersistentVolume has options of schema '\(schema.printable)', and this node agent reads schema 1; "
                    + "upgrade the node agent"
            )
        }
        if let handle = options["volumeHandle"] {
            id = try VolumeID(parsing: handle)
        } else {
            guard let clusterID = options["clusterID"], let pool = options["pool"], let image = options["image"] else {
                throw .invalid(
                    "the PersistentVolume's flexVolume.options name no volume; give volumeHandle, or clusterID, pool "
                        + "and image"
                )
            }
            id = try VolumeID(
                clusterID: clusterID,
                pool: pool,
                namespace: options["radosNamespace"] ?? "",
                image: image
            )
        }
        fileSystem = options["kubernetes.io/fsType"] ?? ""
        isReadOnly = options["kubernetes.io/readwrite"] == "ro"
        mode =
            switch options["accessMode"] {
            case "ReadOnlyMany": .multiNodeReaderOnly
            case "ReadWriteOncePod": .singleNodeSingleWriter
            default: .singleNodeWriter
            }
        mountOptions = (options["mountOptions"] ?? "").parts(at: ",", omittingEmpty: true)
        nodeSecret = try Self.secret("node", options)
        expandSecret = try Self.secret("expand", options)
        parameters = options.filter { !Self.own.contains($0.key) && !$0.key.startsExactly(with: Self.kubernetesPrefix) }
    }

    /// How the pod uses the volume.
    var capability: VolumeCapability {
        VolumeCapability(
            .mount(MountAccess(fsType: fileSystem, mountFlags: mountOptions)),
            mode: mode
        )
    }

    private static func members(of text: String) throws(VolumeError) -> [String: String] {
        let document: JSONValue
        do throws(JSONError) {
            document = try JSONValue(parsing: Array(text.utf8))
        } catch {
            throw .invalid("kubelet's options cannot be read: \(error)")
        }
        guard case .object(let members) = document else {
            throw .invalid("kubelet's options are \(document.kind), not an object")
        }
        var options: [String: String] = [:]
        for (name, value) in members {
            guard case .string(let string) = value else {
                throw .invalid("kubelet's option '\(name.text.printable)' is \(value.kind), not a string")
            }
            // kubelet passes the Secret of a FlexVolume on, and its keys are nobody's business here.
            guard
                name.text.startsExactly(with: "kubernetes.io/secret/")
                    || !CephKey.isIn(name.text) && !CephKey.isIn(string)
            else {
                throw .invalid(
                    "option '\(CephKey.masked(name.text).printable)' of the PersistentVolume holds a cephx key; put it "
                        + "into a Secret, and rotate it"
                )
            }
            guard options.updateValue(string, forKey: name.text) == nil else {
                throw .invalid("kubelet's option '\(name.text.printable)' is given in two spellings that look alike")
            }
        }
        return options
    }

    private static func secret(_ use: String, _ options: [String: String]) throws(VolumeError) -> SecretReference? {
        let name = options["\(use)SecretName"] ?? ""
        let namespace = options["\(use)SecretNamespace"] ?? ""
        guard name.isEmpty == namespace.isEmpty else {
            throw .invalid(
                "the PersistentVolume's flexVolume.options have one of \(use)SecretName and \(use)SecretNamespace "
                    + "without the other"
            )
        }
        return name.isEmpty ? nil : SecretReference(name: name, namespace: namespace)
    }
}
