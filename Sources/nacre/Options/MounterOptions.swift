import ArgumentParser

/// What makes a block device of an image, by the names that a StorageClass uses.
enum MounterChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
    case auto
    case krbd
    case nbd
    case fuse
}

/// By what a volume is mapped on this machine.
struct MounterOptions: ParsableArguments {
    @Option(help: "What makes the device: the kernel's rbd, its nbd, or FUSE; the service's choice by default.")
    var mounter: MounterChoice?

    /// As the node service reads it.
    var context: [String: String] { mounter.map { ["mounter": $0.rawValue] } ?? [:] }
}
