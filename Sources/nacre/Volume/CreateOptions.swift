import ArgumentParser
import CephVolumes
import ExactText
import Volumes

/// The properties of a new volume: a StorageClass' parameters as options.
struct CreateOptions: ParsableArguments {
    @Option(
        help: """
            Its size: 10GiB, 10Gi (of 1024), 10G (of 1000) or bytes; rounded up to whole MiB, and to what its file system \
            takes, at least 2MiB of ext4 and 300MiB of xfs (default: 1GiB).
            """,
        transform: quantity
    )
    var size: Quantity?

    @Option(help: "The most that it may have.", transform: quantity)
    var limit: Quantity?

    @Option(
        help: "The cluster's clusterID in config.json; not needed when there is one alone.",
        completion: Completion.clusters
    )
    var cluster: String?

    @Option(help: "The RBD pool of the image.", completion: Completion.pools)
    var pool: String?

    @Option(help: "The pool of the image's data, such as an erasure-coded one.", completion: Completion.pools)
    var dataPool: String?

    @Option(
        help: "The image's features, separated by commas; Ceph's choice without.",
        completion: .list(["layering", "exclusive-lock", "object-map", "fast-diff", "journaling", "deep-flatten"])
    )
    var features: String?

    @Option(help: "The size of the image's objects, 4Ki to 32Mi; Ceph's choice without.", transform: quantity)
    var objectSize: Quantity?

    @Option(help: "Bytes of a stripe in one object; goes with --stripe-count.", transform: quantity)
    var stripeUnit: Quantity?

    @Option(help: "Objects that a stripe spreads over.")
    var stripeCount: UInt64?

    @Option(
        name: .customLong("parameter"),
        help: ArgumentHelp("Any parameter of a ceph-csi StorageClass; may be repeated.", valueName: "key=value")
    )
    var pairs: [String] = []

    @Flag(help: "For use as a raw device, without a file system.")
    var block = false

    @Option(
        name: .customLong("fs"),
        help: "The file system that is wanted (default: ext4); made when the volume is first mounted."
    )
    var fileSystem: FileSystemChoice?

    @Option(help: "Who may use it at once.")
    var accessMode = AccessModeChoice.readWriteOnce

    mutating func validate() throws {
        if let refusal = size?.refusal("--size") ?? limit?.refusal("--limit") { throw refusal }
        guard !block || fileSystem == nil else { throw ValidationError("--block and --fs exclude each other") }
        for pair in pairs where pair.firstIndex(of: "=").map({ $0 == pair.startIndex }) ?? true {
            throw ValidationError("--parameter '\(pair)' is not key=value")
        }
    }

    /// How it will be used.
    var capability: VolumeCapability {
        VolumeCapability(
            block ? .block : .mount(MountAccess(fsType: fileSystem?.rawValue ?? "")),
            mode: accessMode.mode
        )
    }

    /// The sizes it may have.
    var range: CapacityRange {
        get throws {
            try CapacityRange(
                requiredBytes: Int64(clamping: size?.bytes ?? 0),
                limitBytes: Int64(clamping: limit?.bytes ?? 0)
            )
        }
    }

    /// The parameters that have options of their own.
    private var named: [(flag: String, key: String, value: String?)] {
        [
            ("--cluster", "clusterID", cluster), ("--pool", "pool", pool), ("--data-pool", "dataPool", dataPool),
            ("--features", "imageFeatures", features),
            ("--object-size", "objectSize", objectSize.map { "\($0.bytes)" }),
            ("--stripe-unit", "stripeUnit", stripeUnit.map { "\($0.bytes)" }),
            ("--stripe-count", "stripeCount", stripeCount.map { "\($0)" }),
        ]
    }

    /// A message in the words that the user typed: options in place of parameters, and a command in place of a class.
    func asTyped(_ message: String) -> String {
        let given = Set(pairs.map { $0.parts(at: "=", most: 1)[0] })
        var text = message + " "
        for (flag, key, _) in named where !given.contains(key) {
            // `pool` is not the beginning of `poolSizeFactor`.
            for end in [" ", ",", ";", "'"] {
                for before in ["the parameter \(key)", "parameter \(key)"] {
                    text = text.replacing(before + end, with: flag + end)
                }
                for before in ["given without ", "and this one by "] {
                    text = text.replacing(before + key + end, with: before + flag + end)
                }
            }
        }
        text.removeLast()
        return
            text
            .replacing(
                "give another poolSizeFactor (0 for no limit)",
                with: "give --parameter poolSizeFactor=0 (no limit)"
            )
            .replacing("; correct the class", with: "; correct --parameter mkfsOptions")
            .replacing(
                "larger objects or no object-map in the class",
                with: "larger --object-size, or --features without object-map"
            )
    }

    /// The StorageClass' parameters; the cluster comes from `config` if none is named, and both it and the pool from the
    /// source of a volume that has one.
    func parameters(config: String, ofSource source: PoolAddress? = nil) throws -> [String: String] {
        var parameters: [String: String] = [:]
        for pair in pairs {
            let parts = pair.parts(at: "=", most: 1)
            guard parameters.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw CommandFailure(.usage, "--parameter \(parts[0]) is given twice")
            }
        }
        for (flag, key, value) in named {
            guard let value else { continue }
            guard parameters.updateValue(value, forKey: key) == nil else {
                throw CommandFailure(.usage, "\(flag) and --parameter \(key) say the same; drop one")
            }
        }
        if let source {
            if parameters["pool"] == nil { parameters["pool"] = source.pool }
            if parameters["clusterID"] == nil { parameters["clusterID"] = source.clusterID }
        }
        guard parameters["pool"] != nil else {
            throw CommandFailure(.usage, "the RBD pool is missing; name it by --pool")
        }
        if parameters["clusterID"] == nil { parameters["clusterID"] = try onlyCluster(config) }
        return parameters
    }

    private func onlyCluster(_ config: String) throws -> String {
        let configuration = ClusterConfiguration(path: config)
        let clusters = configuration.clusters.map(\.clusterID)
        // An invalid entry may be the one that was meant.
        let broken = configuration.entryFaults.first
        if let only = clusters.first, clusters.count == 1, broken == nil { return only }
        if let fault = configuration.fault {
            // No option helps against a file that cannot be read.
            throw CommandFailure(
                InputFile.fault(config)?.status ?? .usage,
                "\(fault); mend it, or name another by --config"
            )
        }
        let reason =
            broken
            ?? "'\(config)' names \(clusters.isEmpty ? "no cluster" : clusters.joined(separator: ", "))"
        throw CommandFailure(
            InputFile.fault(config)?.status ?? .usage,
            "which cluster? name it by --cluster: \(reason)"
        )
    }
}

/// Reads a quantity for ArgumentParser, with a specific error message.
@Sendable func quantity(_ text: String) throws -> Quantity {
    do throws(Quantity.Fault) {
        return try Quantity(parsing: text)
    } catch {
        throw ValidationError(error.description)
    }
}
