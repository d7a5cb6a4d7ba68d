import FoundationEssentials
import JSON
import Volumes
import YAML

/// A result as JSON and YAML show it; its keys are CSI's where CSI has them, and do not change.
struct VolumeReport: Encodable, Equatable {
    /// CSI: VolumeCondition.
    struct Condition: Encodable, Equatable {
        let abnormal: Bool
        let message: String
    }

    let volumeId: String
    let clusterID: String
    let pool: String
    let namespace: String
    let image: String
    let capacityBytes: UInt64
    var volumeContext: [String: String]?
    var volumeCondition: Condition?

    init(_ volume: Volume, condition: VolumeCondition? = nil) {
        volumeId = "\(volume.id)"
        clusterID = volume.id.clusterID
        pool = volume.id.pool
        namespace = volume.id.namespace
        image = volume.id.image
        capacityBytes = volume.capacityBytes
        volumeContext = volume.context.isEmpty ? nil : volume.context
        volumeCondition = condition.map { Condition(abnormal: $0.isAbnormal, message: $0.message) }
    }
}

/// What expand says.
struct ExpansionReport: Encodable {
    let volumeId: String
    let capacityBytes: UInt64
    let nodeExpansionRequired: Bool
}

/// What delete says.
struct DeletionReport: Encodable {
    let volumeId: String
    let deleted: Bool
}

/// What map, mount and their opposites say.
struct UseReport: Encodable {
    let volumeId: String
    let path: String
    /// `device` or `mount`.
    let kind: String
    let inUse: Bool
}

extension OutputFormat {
    /// The value in this form; nothing for the table, whose form is each command's own.
    func text(_ value: some Encodable) throws -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        switch self {
        case .table: return nil
        case .json: return String(decoding: try encoder.encode(value), as: UTF8.self)
        case .yaml: return String(try JSONValue(parsing: Array(encoder.encode(value))).yaml.dropLast())
        }
    }
}
