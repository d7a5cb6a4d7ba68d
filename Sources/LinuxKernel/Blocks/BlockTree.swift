internal import ExactText
internal import Glibc
internal import SystemPackage

/// All block devices of the host and what is made of what.
public struct BlockTree: Sendable {
    /// By the kernel's name.
    public let nodes: [String: BlockNode]

    /// A tree of these nodes.
    public init(_ nodes: [BlockNode]) {
        self.nodes = Dictionary(nodes.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Reads `/sys/class/block`; devices that go meanwhile are left out.
    public init(reading sysfs: Sysfs, udev: UdevDatabase = UdevDatabase()) throws(KernelError) {
        self.init(try KernelFile.names(in: sysfs.root + "/class/block").compactMap { sysfs.node($0, udev: udev) })
    }

    /// The node of a number.
    public func node(of device: DeviceNumber) -> BlockNode? {
        nodes.values.first { $0.device == device }
    }

    /// The partitions of a disk, by number.
    public func partitions(of name: String) -> [BlockNode] {
        nodes.values.filter { $0.parent == name }.sorted { ($0.partitionNumber ?? 0) < ($1.partitionNumber ?? 0) }
    }

    /// The disks below a node: itself for a disk, all members for a mapping.
    public func disks(below name: String) -> [BlockNode] {
        var found: [String: BlockNode] = [:]
        var pending = [name]
        var seen: Set<String> = []
        while let next = pending.popLast() {
            guard seen.insert(next).inserted, let node = nodes[next] else { continue }
            let lower = node.slaves + (node.parent.map { [$0] } ?? [])
            if lower.isEmpty { found[next] = node }
            pending += lower
        }
        return found.values.sorted { $0.name < $1.name }
    }

    /// Other device nodes of the same disk, paths that no multipath gathers; of a partition those of its place.
    ///
    /// One disk has one world-wide name, one size and one serial number. Where one of two nodes has no world-wide name,
    /// both have to have the serial number, and none may be on USB.
    ///
    /// - Parameter name: A disk or a partition.
    /// - Returns: Disks for a disk; for a partition the one in the same place, or the disk where the kernel sees none there.
    public func otherPaths(of name: String) -> [BlockNode] {
        guard let node = nodes[name], let disk = nodes[node.parent ?? name], disk.isOwnDevice else { return [] }
        let others = nodes.values.filter { $0.name != disk.name && $0.isOwnDevice && $0.isSameDisk(as: disk) }
        return others.sorted { $0.name < $1.name }.map { other in
            guard let start = node.startBytes, node.isPartition else { return other }
            return partitions(of: other.name).first { $0.startBytes == start } ?? other
        }
    }

    /// Everything that stands on a node, itself first, each before what stands on it.
    public func above(_ name: String) -> [BlockNode] {
        var order: [BlockNode] = []
        var seen: Set<String> = []
        var pending = [name]
        var index = 0
        while index < pending.count {
            let next = pending[index]
            index += 1
            guard seen.insert(next).inserted, let node = nodes[next] else { continue }
            order.append(node)
            pending += partitions(of: next).map(\.name) + node.holders
        }
        return order
    }
}

extension Sysfs {
    /// The partitions that the kernel knows of a disk, by number; without looking at any other device.
    public func partitions(of name: String) -> [BlockNode] {
        let names = (try? KernelFile.names(in: "\(root)/class/block/\(name)")) ?? []
        return names.filter { $0.startsExactly(with: name) }.compactMap { node($0) }.filter(\.isPartition)
            .sorted { ($0.partitionNumber ?? 0) < ($1.partitionNumber ?? 0) }
    }

    /// What sysfs tells of one device; nothing when it is gone.
    public func node(_ name: String, udev: UdevDatabase = UdevDatabase()) -> BlockNode? {
        let base = "\(root)/class/block/\(name)"
        func text(_ file: String) -> String? { KernelFile.firstLine("\(base)/\(file)").flatMap(Self.trimmed) }
        func number(_ file: String) -> UInt64? { text(file).flatMap(UInt64.init) }
        guard let device = text("dev").flatMap({ DeviceNumber(parsing: $0) }) else { return nil }
        var node = BlockNode(name: name, device: device)
        node.sizeBytes = (number("size") ?? 0).multipliedReportingOverflow(by: 512).partialValue
        // A loop device without a file, a drive without a medium: there may be hundreds, with nothing more to tell.
        guard node.sizeBytes > 0 || isDirectory("\(base)/dm") || isDirectory("\(base)/md") else { return node }
        node.isReadOnly = text("ro") == "1"
        node.isRemovable = text("removable") == "1"
        node.partitionNumber = text("partition").flatMap { Int($0) }
        node.holders = (try? KernelFile.names(in: "\(base)/holders")) ?? []
        node.slaves = (try? KernelFile.names(in: "\(base)/slaves")) ?? []
        node.diskSequence = number("diskseq")
        if node.isPartition {
            node.startBytes = number("start").map { $0.multipliedReportingOverflow(by: 512).partialValue }
            node.parent = parent(of: base)
            node.diskSequence = node.parent.flatMap { KernelFile.firstLine("\(root)/class/block/\($0)/diskseq") }
                .flatMap { UInt64($0) }
        }
        if let mapping = text("dm/name") { node.mapping = .init(name: mapping, uuid: text("dm/uuid") ?? "") }
        if isDirectory("\(base)/md") { node.raidLevel = text("md/level") ?? "unknown" }
        node.isBcache = name.startsExactly(with: "bcache")
        node.backingFile = text("loop/backing_file")
        let whole = node.parent.map { "\(root)/class/block/\($0)" } ?? base
        node.queue = queue(whole)
        node.hardware = hardware(whole, udev.properties(of: device))
        return node
    }

    private func queue(_ base: String) -> BlockNode.Queue {
        func text(_ file: String) -> String? { KernelFile.firstLine("\(base)/queue/\(file)").flatMap(Self.trimmed) }
        return BlockNode.Queue(
            isRotational: text("rotational") == "1",
            logicalSectorBytes: text("logical_block_size").flatMap { Int($0) } ?? 512,
            physicalSectorBytes: text("physical_block_size").flatMap { Int($0) } ?? 512,
            discardMaxBytes: text("discard_max_bytes").flatMap { UInt64($0) } ?? 0,
            writeZeroesMaxBytes: text("write_zeroes_max_bytes").flatMap { UInt64($0) } ?? 0,
            zoneModel: text("zoned") ?? "none"
        )
    }

    private func hardware(_ base: String, _ udev: [String: String]) -> BlockNode.Hardware {
        func text(_ file: String) -> String? { KernelFile.firstLine("\(base)/\(file)").flatMap(Self.trimmed) }
        return BlockNode.Hardware(
            model: text("device/model") ?? udev["ID_MODEL"],
            vendor: text("device/vendor").flatMap { $0.startsExactly(with: "0x") ? nil : $0 } ?? udev["ID_VENDOR"],
            serial: text("serial") ?? text("device/serial") ?? unitSerialNumber(base) ?? udev["ID_SERIAL_SHORT"],
            worldWideName: text("wwid") ?? text("device/wwid") ?? udev["ID_WWN_WITH_EXTENSION"] ?? udev["ID_WWN"],
            isUSB: udev["ID_BUS"] == "usb" || isOnUSB(path: base)
        )
    }

    /// SCSI's vital product data page 0x80: four bytes, then the serial number.
    private func unitSerialNumber(_ base: String) -> String? {
        guard let page = try? KernelFile.bytes("\(base)/device/vpd_pg80"), page.count > 4 else { return nil }
        return Self.trimmed(String(decoding: page[4...], as: UTF8.self))
    }

    /// The directory above a partition's own is its disk's.
    private func parent(of base: String) -> String? {
        guard let resolved = realpath(base, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved).parts(at: "/", omittingEmpty: true).dropLast().last
    }

    private func isDirectory(_ path: String) -> Bool {
        (try? FileKind.of(path)) == .directory
    }

    private static func trimmed(_ text: String) -> String? {
        var kept = text.unicodeScalars.drop { $0.properties.isWhitespace || $0 == "\0" }
        while let last = kept.last, last.properties.isWhitespace || last == "\0" { kept.removeLast() }
        // What a disk says of itself goes to terminals and logs.
        let plain = String(String.UnicodeScalarView(kept.filter { $0.value >= 32 && $0.value != 127 }))
        return plain.isEmpty ? nil : plain
    }
}

extension BlockNode {
    /// The names that tell the disk from every other one, also from a copy of it, each with its kind; empty if it has none.
    ///
    /// A serial number alone does not: a dock on USB gives all its disks its own, and the namespaces of an NVMe controller
    /// share one. So all names count, and on USB no serial number without a world-wide name.
    public var tellingNames: [String] {
        let name = worldWideName
        let serial = hardware.isUSB && name == nil ? nil : Self.telling(hardware.serial)
        let file = backingFile.map { "file \($0)" }
        return [name.map { "wwn \($0)" }, serial.map { "serial \($0)" }, file].compactMap(\.self)
    }

    /// Whether it is a device of its own: neither a partition nor made of others, nor of a file.
    fileprivate var isOwnDevice: Bool {
        !isPartition && !isLoop && slaves.isEmpty && mapping == nil && raidLevel == nil && sizeBytes > 0
    }

    /// Whether nothing contradicts that the two nodes are one disk, and a name says so.
    fileprivate func isSameDisk(as other: BlockNode) -> Bool {
        guard sizeBytes == other.sizeBytes else { return false }
        let (serial, its) = (Self.telling(hardware.serial), Self.telling(other.hardware.serial))
        if let serial, let its, serial != its { return false }
        let (name, otherName) = (worldWideName, other.worldWideName)
        if let name, let otherName { return name == otherName }
        // A dock gives all its disks its own serial number.
        guard !hardware.isUSB, !other.hardware.isUSB else { return false }
        return serial != nil && serial == its
    }

    /// The world-wide name in one form, for sysfs says `naa.5000…` where udev says `0x5000…`.
    ///
    /// Nothing of what is none: cheap devices say zeros after the digit for the kind of name.
    private var worldWideName: String? {
        guard let name = hardware.worldWideName?.lowercased() else { return nil }
        let prefix = ["naa.", "0x"].first { name.startsExactly(with: $0) } ?? ""
        let plain = String(name.dropFirst(prefix.count))
        let number = plain.parts(at: ".").last ?? plain
        return number.dropFirst().contains { $0 != "0" && $0 != "f" && $0 != " " } ? plain : nil
    }

    /// Nothing of what is no serial number: cheap devices say zeros.
    private static func telling(_ serial: String?) -> String? {
        guard let serial, serial.contains(where: { $0 != "0" && $0 != " " }) else { return nil }
        return serial
    }
}
