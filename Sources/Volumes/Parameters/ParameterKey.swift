/// The known StorageClass parameters: ceph-csi's, with its names and meanings (release 3.12 and later), and Nacre's
/// own.
package enum ParameterKey: String, CaseIterable {
    case clusterID
    case pool
    case dataPool
    case radosNamespace
    case volumeNamePrefix
    case imageFormat
    case imageFeatures
    case objectSize
    case stripeUnit
    case stripeCount
    /// Nacre's own: see `VolumeService+Limits.swift`.
    case poolSizeFactor
    case mounter
    case tryOtherMounters
    case mapOptions
    case unmapOptions
    case mkfsOptions
    case fstype
    case encrypted
    case encryptionType
    case encryptionKMSID
    case topologyConstrainedPools
    case cephLogDir
    case cephLogStrategy
    case baseIops = "BaseIops"
    case baseReadIops = "BaseReadIops"
    case baseWriteIops = "BaseWriteIops"
    case baseBytesPerSecond = "BaseBytesPerSecond"
    case baseReadBytesPerSecond = "BaseReadBytesPerSecond"
    case baseWriteBytesPerSecond = "BaseWriteBytesPerSecond"
    case iopsPerGiB = "IopsPerGiB"
    case readIopsPerGiB = "ReadIopsPerGiB"
    case writeIopsPerGiB = "WriteIopsPerGiB"
    case bpsPerGiB = "BpsPerGiB"
    case readBpsPerGiB = "ReadBpsPerGiB"
    case writeBpsPerGiB = "WriteBpsPerGiB"
    case baseVolSizeBytes = "BaseVolSizeBytes"
    /// Nacre's own: how long deleted volumes stay in the trash.
    case trashRetention

    /// Keys with this prefix are Kubernetes' own: names of secrets, of the claim, the file system.
    static let kubernetesPrefix = "csi.storage.k8s.io/"

    /// What is an image's own once it is made, with the metadata key that has it there: only a create writes it, and a
    /// person may change it.
    package static let imagesOwn: [(parameter: ParameterKey, key: String)] = [
        (.trashRetention, ImageMetadataKey.trashRetention), (.poolSizeFactor, ImageMetadataKey.poolSizeFactor),
    ]

    /// What a value of this key must look like.
    var form: ParameterForm {
        switch self {
        case .clusterID, .pool, .dataPool, .radosNamespace, .mapOptions, .unmapOptions, .mkfsOptions,
            .encryptionKMSID, .topologyConstrainedPools, .cephLogDir:
            .text
        case .volumeNamePrefix: .namePrefix
        case .trashRetention: .retention
        case .imageFormat: .oneOf(["2"])
        case .imageFeatures: .features
        case .objectSize, .stripeUnit, .stripeCount, .poolSizeFactor: .number
        case .mounter: .oneOf(["auto", "rbd", "krbd", "rbd-nbd", "nbd", "fuse"])
        case .tryOtherMounters, .encrypted: .flag
        case .fstype: .oneOf(VolumeCapability.fileSystems)
        case .encryptionType: .oneOf(["block", "file"])
        case .cephLogStrategy: .oneOf(["remove", "compress", "preserve"])
        case .baseIops, .baseReadIops, .baseWriteIops, .baseBytesPerSecond, .baseReadBytesPerSecond,
            .baseWriteBytesPerSecond, .iopsPerGiB, .readIopsPerGiB, .writeIopsPerGiB, .bpsPerGiB,
            .readBpsPerGiB, .writeBpsPerGiB, .baseVolSizeBytes:
            .number
        }
    }

    /// The key that was probably meant by `other`: two letters of six differ at most, one of three, ignoring case.
    static func nearest(to other: String) -> ParameterKey? {
        let wanted = Array(other.lowercased().unicodeScalars)
        guard wanted.count <= 64 else { return nil }
        return
            allCases
            .map { ($0, distance(Array($0.rawValue.lowercased().unicodeScalars), wanted)) }
            .filter { $0.1 <= min(2, wanted.count / 3) }
            .min { $0.1 < $1.1 }?
            .0
    }

    private static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        var row = Array(0...right.count)
        for (index, scalar) in left.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (column, other) in right.enumerated() {
                let above = row[column + 1]
                row[column + 1] = min(diagonal + (scalar == other ? 0 : 1), above + 1, row[column] + 1)
                diagonal = above
            }
        }
        return row[right.count]
    }
}

/// What a parameter's value must look like.
enum ParameterForm {
    case text
    case namePrefix
    case number
    case flag
    case features
    case retention
    case oneOf([String])

    /// Says what is wrong with `value`, or `nil`.
    func fault(in value: String) -> String? {
        switch self {
        case .text:
            return nil
        case .namePrefix:
            let isPlain = value.unicodeScalars.allSatisfy { scalar in
                scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "-")
            }
            return isPlain && value.utf8.count <= 40 ? nil : "is not at most 40 ASCII letters, digits and '-'"
        case .number:
            let isPlain = value.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            return isPlain && UInt64(value) != nil ? nil : "is not a whole number"
        case .flag:
            return Self.flag(value) == nil ? "is not true or false" : nil
        case .features:
            return ImageLayout.featureFault(in: ImageLayout.featureNames(value))
        case .retention:
            return TrashRetention(parsing: value) == nil ? "is not a time of at most ten years, such as 72h or 7d" : nil
        case .oneOf(let values):
            return values.contains(value) ? nil : "is not \(values.joined(separator: " or "))"
        }
    }

    /// Reads a flag in the spellings that Go's `ParseBool` accepts, as ceph-csi does.
    static func flag(_ value: String) -> Bool? {
        switch value {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }
}
