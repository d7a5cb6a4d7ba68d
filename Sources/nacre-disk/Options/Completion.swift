internal import ArgumentParser
internal import BlockDevices
internal import ExactText
internal import LinuxKernel

/// Shell completions: devices and mappings of this host, by name.
///
/// They are read from sysfs and the links below `/dev/disk`; no device is opened, so none is woken and none can block.
enum Completion {
    /// Disks and partitions; mappings, too, where a command only looks, and disks alone where it is about their tables.
    static let devices = CompletionKind.custom { words, _, prefix in
        let commands = words.dropFirst().filter { !$0.startsExactly(with: "-") }
        let isReading = ["inspect", "check"].contains(commands.first)
        return paths(prefix) { node in
            commands.first == "gpt" ? isDisk(node) : isReading || isDisk(node) || node.isPartition
        }
    }

    /// Whole disks.
    static let disks = CompletionKind.custom { _, _, prefix in paths(prefix, where: isDisk) }

    /// Whatever a mapping can stand on.
    static let blocks = CompletionKind.custom { _, _, prefix in paths(prefix) { _ in true } }

    /// Mappings of the device mapper.
    static let mappings = CompletionKind.custom { _, _, _ in nodes.compactMap(\.mapping?.name).sorted() }

    /// Formats that can be named as erasable.
    static let contents = CompletionKind.list(
        (FormatCatalog.formats.map(\.name) + ContentArguments.otherContents).sorted()
    )

    /// Types of partitions.
    static let types = CompletionKind.list(PartitionType.all.map(\.name))

    /// Devices as `/dev/sdb`, and by the links in `/dev/disk/by-id`, or in the directory there that was begun.
    private static func paths(_ prefix: String, where isWanted: (BlockNode) -> Bool) -> [String] {
        let wanted = nodes.filter(isWanted)
        let begun = prefix.parts(at: "/")
        let isOtherKind = begun.count > 4 && prefix.startsExactly(with: "/dev/disk/by-")
        let links = DevicePath.links(in: isOtherKind ? "/dev/disk/\(begun[3])" : "/dev/disk/by-id")
        return wanted.map(\.path) + wanted.flatMap { links[$0.device] ?? [] }.sorted()
    }

    /// The host's devices that have a medium, without those that are only memory.
    private static var nodes: [BlockNode] {
        let found = (try? BlockTree(reading: Sysfs()))?.nodes.values.sorted { $0.name < $1.name } ?? []
        return found.filter { node in
            node.sizeBytes > 0 && !["ram", "zram", "fd", "sr"].contains { node.name.startsExactly(with: $0) }
        }
    }

    /// Whether it is made of no other device.
    private static func isDisk(_ node: BlockNode) -> Bool {
        !node.isPartition && node.mapping == nil && node.raidLevel == nil && !node.isBcache
    }
}
