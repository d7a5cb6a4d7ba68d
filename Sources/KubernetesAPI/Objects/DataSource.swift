package import JSON

/// What a claim's volume is to be filled from: `spec.dataSource`, or `spec.dataSourceRef`.
package struct DataSource: Sendable, Hashable {
    /// `snapshot.storage.k8s.io`; empty for core.
    package var group: String
    /// `VolumeSnapshot`, `PersistentVolumeClaim`, or a populator's kind.
    package var kind: String
    /// The object's name.
    package var name: String
    /// The object's namespace, where the claim names one: only `dataSourceRef` can.
    package var namespace: String?

    /// Reads either field's value.
    package init(_ object: JSONValue) {
        group = Interned.string(object["apiGroup"]?.string ?? "")
        kind = Interned.string(object["kind"]?.string ?? "")
        name = object["name"]?.string ?? ""
        namespace = object["namespace"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// `VolumeSnapshot.snapshot.storage.k8s.io`.
    package var kindName: String { group.isEmpty ? kind : "\(kind).\(group)" }

    /// Whether it is a VolumeSnapshot.
    package var isSnapshot: Bool { kind == "VolumeSnapshot" && group == SnapshotAPI.group }

    /// Whether it is another claim.
    package var isClaim: Bool { kind == "PersistentVolumeClaim" && group.isEmpty }
}
