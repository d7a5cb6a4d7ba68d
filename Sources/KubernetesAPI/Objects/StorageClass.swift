package import JSON

/// A StorageClass.
package struct StorageClass: WatchedObject {
    /// A label and its allowed values.
    package struct TopologyTerm: Sendable, Hashable {
        /// The labels of one term, all of which must hold.
        package var labels: [String: [String]]

        /// Makes a term.
        package init(labels: [String: [String]]) { self.labels = labels }
    }

    /// Name, uid, version.
    package var metadata: ObjectMeta
    /// Who makes its volumes.
    package var provisioner: String
    /// What it tells its provisioner.
    package var parameters: [String: String]
    /// What its volumes are mounted with.
    package var mountOptions: [String]
    /// What becomes of its volumes.
    package var reclaimPolicy: PersistentVolume.ReclaimPolicy
    /// Whether a volume is made only when a pod needs it: WaitForFirstConsumer.
    package var waitsForConsumer: Bool
    /// Whether its volumes may grow.
    package var allowsExpansion: Bool
    /// Where its volumes may be used: one of the terms must match; no terms mean anywhere.
    package var allowedTopologies: [TopologyTerm]

    /// Reads a class.
    package init?(_ object: JSONValue) {
        guard let metadata = ObjectMeta(object) else { return nil }
        self.metadata = metadata
        provisioner = object["provisioner"]?.string ?? ""
        parameters = object["parameters"]?.stringMembers ?? [:]
        mountOptions = object["mountOptions"]?.strings ?? []
        reclaimPolicy =
            switch object["reclaimPolicy"]?.string {
            case "Retain": .retain
            case "Recycle": .recycle
            default: .delete
            }
        waitsForConsumer = object["volumeBindingMode"]?.string == "WaitForFirstConsumer"
        allowsExpansion = object["allowVolumeExpansion"]?.bool ?? false
        allowedTopologies = (object["allowedTopologies"]?.elements ?? []).map { term in
            var labels: [String: [String]] = [:]
            for expression in term["matchLabelExpressions"]?.elements ?? [] {
                guard let key = expression["key"]?.string else { continue }
                labels[key] = expression["values"]?.strings ?? []
            }
            return TopologyTerm(labels: labels)
        }
    }

    /// All of it: there are few.
    package var compact: StorageClass { self }
}
