public import LinuxKernel
internal import SystemPackage

/// What is known of one disk, partition or mapping: its identity, its content and its users.
public struct DiskInspection: Sendable {
    /// As sysfs shows it.
    public let node: BlockNode
    /// Who it is.
    public let identity: DiskIdentity
    /// Its content; `nil` if it could not be opened.
    public let contents: DeviceContents?
    /// What could not be read.
    public let failures: [KernelError]
    /// The device itself and everything that is built on it, each before its holders.
    public let tree: [BlockNode]
    /// Where it or anything on it is mounted.
    public let mounts: [Mounted]
    /// What of it is swap space in use.
    public let swaps: [String]
    /// Whether a running ceph-osd holds it.
    public let isLocked: Bool
    /// Other device nodes of the same disk, and who uses it through them.
    public let otherPaths: [OtherPath]
    /// Who has reserved it; nothing when nobody has, or nobody could be asked.
    public let reservation: DeviceReservation?
    /// Why it could not be asked for reservations.
    public let reservationFailure: KernelError?
    /// Links below `/dev` that lead to it.
    public let links: [String]
    /// How much was read to know all this.
    public let bytesRead: UInt64
    /// For a partition: what its disk says.
    public let disk: DiskOfPartition?

    /// What is known of a device that nobody uses.
    public init(
        node: BlockNode,
        contents: DeviceContents?,
        tree: [BlockNode],
        otherPaths: [OtherPath] = [],
        reservation: DeviceReservation? = nil
    ) {
        self.init(
            node: node,
            identity: DiskIdentity(node),
            contents: contents,
            failures: [],
            tree: tree,
            mounts: [],
            swaps: [],
            isLocked: false,
            otherPaths: otherPaths,
            reservation: reservation,
            reservationFailure: nil,
            links: [],
            bytesRead: 0
        )
    }

    init(
        node: BlockNode,
        identity: DiskIdentity,
        contents: DeviceContents?,
        failures: [KernelError],
        tree: [BlockNode],
        mounts: [Mounted],
        swaps: [String],
        isLocked: Bool,
        otherPaths: [OtherPath],
        reservation: DeviceReservation?,
        reservationFailure: KernelError?,
        links: [String],
        bytesRead: UInt64,
        disk: DiskOfPartition? = nil
    ) {
        self.node = node
        self.identity = identity
        self.contents = contents
        self.failures = failures
        self.tree = tree
        self.mounts = mounts
        self.swaps = swaps
        self.isLocked = isLocked
        self.otherPaths = otherPaths
        self.reservation = reservation
        self.reservationFailure = reservationFailure
        self.links = links
        self.bytesRead = bytesRead
        self.disk = disk
    }

    /// What the disk of a partition says that ceph-volume judges the partition by.
    public struct DiskOfPartition: Sendable, Hashable {
        /// What its table says of the partition.
        public let entry: GPTEntry?
        /// Where it has labels of BlueStore, counted from its beginning.
        public let labels: Set<UInt64>

        /// What is found on a disk of its partition with this number.
        init(_ contents: DeviceContents, number: Int) {
            entry = contents.regions.first { $0.kind == .partition(number) }?.partition
            labels = Set(contents.regions.first?.blueStore?.copies.keys.map { $0 } ?? [])
        }
    }

    /// A mount of the disk or of something on it.
    public struct Mounted: Sendable, Hashable {
        /// The node that is mounted.
        public let name: String
        /// Where.
        public let mountPoint: String
        /// A process in whose namespace it is; `nil` for ours.
        public let process: Int?
    }
}

/// The host whose disks are looked at.
public struct Host: Sendable {
    /// Its sysfs.
    public let sysfs: Sysfs
    /// Its procfs.
    public let proc: String
    /// What udevd noted.
    public let udev: UdevDatabase
    /// Where device nodes are.
    public let dev: String
    /// Where daemons have their sockets.
    public let run: String

    /// This host, or one that a test built from directories.
    public init(
        sysfs: Sysfs = Sysfs(),
        proc: String = "/proc",
        udev: UdevDatabase = UdevDatabase(),
        dev: String = "/dev",
        run: String = "/run"
    ) {
        self.sysfs = sysfs
        self.proc = proc
        self.udev = udev
        self.dev = dev
        self.run = run
    }

    /// All its block devices now.
    public func tree() throws(KernelError) -> BlockTree { try BlockTree(reading: sysfs, udev: udev) }

    /// Who uses them now.
    public func use() -> DeviceUse { DeviceUse(proc: proc) }

    /// Looks at one device, reading only.
    ///
    /// - Parameters:
    ///   - node: The device.
    ///   - tree: All devices.
    ///   - use: Who uses them.
    ///   - path: Where to open it, if not by its name.
    /// - Returns: What is known.
    public func inspect(_ node: BlockNode, in tree: BlockTree, use: DeviceUse, path: String? = nil) -> DiskInspection {
        var failures: [KernelError] = []
        var contents: DeviceContents?
        var isLocked = false
        var bytesRead: UInt64 = 0
        let path = path ?? "\(dev)/\(node.name)"
        do throws(KernelError) {
            let reader = try DiskReader(path: path)
            // The name may be another device's by now.
            if let opened = reader.deviceNumber(), opened != node.device {
                throw KernelError("open", .noSuchAddressOrDevice, path)
            }
            contents = DeviceContents(reader, sectorBytes: UInt64(max(512, node.queue.logicalSectorBytes)))
            isLocked = reader.isWriteLocked()
            failures = reader.failures
            bytesRead = reader.bytesRead
        } catch {
            failures.append(error)
        }
        let (reservation, reservationFailure) = reservation(of: tree.nodes[node.parent ?? ""] ?? node)
        let above = tree.above(node.name)
        // A mount that several namespaces share is listed once.
        var seen: Set<[String]> = []
        let mounts = above.flatMap { upper in
            use.mounts(of: upper).filter { seen.insert([upper.name, $0.mountPoint]).inserted }.map {
                DiskInspection.Mounted(name: upper.name, mountPoint: $0.mountPoint, process: $0.process)
            }
        }
        return DiskInspection(
            node: node,
            identity: DiskIdentity(node),
            contents: contents,
            failures: failures,
            tree: above,
            mounts: mounts,
            swaps: above.filter { use.swaps.contains($0) }.map(\.name),
            isLocked: isLocked,
            otherPaths: tree.otherPaths(of: node.name).map { OtherPath($0, in: tree, use: use, dev: dev) },
            reservation: reservation,
            reservationFailure: reservationFailure,
            links: udev.links(of: node.device),
            bytesRead: bytesRead,
            disk: disk(of: node, in: tree)
        )
    }

    /// What the disk of a partition says; nothing where it cannot be read.
    private func disk(of node: BlockNode, in tree: BlockTree) -> DiskInspection.DiskOfPartition? {
        guard let number = node.partitionNumber, let parent = node.parent.flatMap({ tree.nodes[$0] }),
            let reader = try? DiskReader(path: "\(dev)/\(parent.name)"), reader.deviceNumber() == parent.device
        else { return nil }
        let contents = DeviceContents(reader, sectorBytes: UInt64(max(512, parent.queue.logicalSectorBytes)))
        return DiskInspection.DiskOfPartition(contents, number: number)
    }

    /// Who has reserved a disk, and why it could not be asked; a disk on USB is not asked.
    public func reservation(of disk: BlockNode) -> (DeviceReservation?, KernelError?) {
        guard !sysfs.isOnUSB(disk.name) else { return (nil, nil) }
        do throws(KernelError) {
            return (try DeviceReservation.of(disk.name, dev: dev), nil)
        } catch {
            return (nil, error)
        }
    }
}
