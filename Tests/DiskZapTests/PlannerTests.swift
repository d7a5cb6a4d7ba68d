import BlockDevices
import LinuxKernel
import Testing

@testable import DiskZap

@Suite("What no flag lifts, on hosts that a test made up")
struct PlannerTests {
    private static func node(_ name: String, _ minor: UInt32, _ change: (inout BlockNode) -> Void = { _ in })
        -> BlockNode
    {
        var node = BlockNode(name: name, device: DeviceNumber(major: 8, minor: minor))
        node.sizeBytes = 64 << 20
        change(&node)
        return node
    }

    private static func inspection(_ node: BlockNode, _ tree: BlockTree, _ source: (any ByteSource)? = nil)
        -> DiskInspection
    {
        DiskInspection(
            node: node,
            contents: DeviceContents(source ?? MemorySource(sizeBytes: node.sizeBytes), sectorBytes: 512),
            tree: tree.above(node.name)
        )
    }

    /// A disk `sda`, and something on it.
    private static func codes(holder change: (inout BlockNode) -> Void, others: [BlockNode] = []) -> [Refusal.Code] {
        let disk = node("sda", 0) { $0.holders = ["top"] }
        let top = node("top", 1) {
            $0.slaves = ["sda"]
            change(&$0)
        }
        let tree = BlockTree([disk, top] + others)
        return ZapPlanner(tree: tree, options: ZapOptions()).plan("/dev/sda", inspection(disk, tree)).refusals.map(
            \.code
        )
    }

    @Test(
        "What stands on a disk and cannot be taken down",
        arguments: [
            ("raid1", nil, false, Refusal.Code.raidMember), (nil, nil, true, .bcache),
            (nil, "mpath-3600", false, .multipath),
            (nil, "part1-mpath-3600", false, .multipath), (nil, "", false, .held), (nil, "VDO-1", false, .held),
            (nil, nil, false, .held),
        ] as [(String?, String?, Bool, Refusal.Code)]
    )
    func holders(raid: String?, uuid: String?, isBcache: Bool, code: Refusal.Code) {
        let found = Self.codes { node in
            node.raidLevel = raid
            node.isBcache = isBcache
            node.mapping = uuid.map { .init(name: "top", uuid: $0) }
        }
        #expect(found == [code])
    }

    @Test(
        "Which nodes are one disk: one size, and one world-wide name, or, where one has none, one serial number",
        arguments: [
            ("naa.6001", "S1", 64, "naa.6001", "S1", 64, true), ("naa.6001", nil, 64, "naa.6001", nil, 65, false),
            ("naa.6001", "S1", 64, "naa.6001", "S2", 64, false), ("naa.6001", nil, 64, "0x6001", "S2", 64, true),
            ("naa.5000000000000000", nil, 64, "naa.5000000000000000", nil, 64, false),
            // Two namespaces of one NVMe controller, which has one serial number.
            ("eui.01", "S1", 64, "eui.02", "S1", 64, false), (nil, "S1", 64, "eui.02", "S1", 64, true),
            (nil, "S1", 64, nil, "S1", 64, true), (nil, "S1", 64, nil, "S1", 65, false),
            (nil, nil, 64, nil, nil, 64, false), ("naa.000000", "0000", 64, "naa.000000", "0000", 64, false),
        ] as [(String?, String?, UInt64, String?, String?, UInt64, Bool)]
    )
    func samePlace(name: String?, serial: String?, size: UInt64, its: String?, no: String?, bytes: UInt64, isOne: Bool)
    {
        let disk = Self.node("sda", 0) {
            ($0.hardware.worldWideName, $0.hardware.serial, $0.sizeBytes) = (name, serial, size << 20)
        }
        let other = Self.node("sdb", 16) {
            ($0.hardware.worldWideName, $0.hardware.serial, $0.sizeBytes) = (its, no, bytes << 20)
        }
        let part = Self.node("sdb1", 17) { ($0.partitionNumber, $0.parent, $0.startBytes) = (1, "sdb", 1 << 20) }
        // Loop devices and what is gathered already are no paths.
        let gathered = Self.node("dm-0", 32) {
            $0.hardware = disk.hardware
            $0.slaves = ["sdc"]
        }
        let tree = BlockTree([disk, other, part, gathered])
        #expect(tree.otherPaths(of: "sda").map(\.name) == (isOne ? ["sdb"] : []))
        #expect(tree.otherPaths(of: "sdb1").map(\.name) == (isOne ? ["sda"] : []))
    }

    @Test("Two disks in a dock on USB that gives both its own serial number are two", arguments: [true, false])
    func dock(isUSB: Bool) {
        let disks = [("sda", 0 as UInt32), ("sdb", 16)].map { name, minor in
            Self.node(name, minor) { ($0.hardware.serial, $0.hardware.isUSB) = ("DOCK1", isUSB) }
        }
        #expect(BlockTree(disks).otherPaths(of: "sda").isEmpty == isUSB)
    }

    @Test("Who writes to a partition's disk, or to any node of it, writes to the partition")
    func ways() {
        let disks = [("sda", 0 as UInt32), ("sdb", 16)].map { name, minor in
            Self.node(name, minor) { $0.hardware.serial = "S1" }
        }
        let parts = [("sda1", 1 as UInt32, "sda"), ("sda2", 2, "sda"), ("sdb1", 17, "sdb")].map { name, minor, disk in
            Self.node(name, minor) {
                ($0.partitionNumber, $0.parent) = (Int(minor % 16), disk)
                $0.startBytes = UInt64(minor % 16) << 20
            }
        }
        let tree = BlockTree(disks + parts)
        #expect(tree.ways(to: "sda1").map(\.name) == ["sda", "sda1"])
        #expect(tree.allWays(to: "sda1").map(\.name) == ["sda", "sda1", "sdb", "sdb1"])
        #expect(tree.allWays(to: "sda2").map(\.name) == ["sda", "sda2", "sdb", "sdb1"])
        #expect(Set(tree.allWays(to: "sda").map(\.name)) == ["sda", "sda1", "sda2", "sdb", "sdb1"])
    }

    @Test("Partitions of one disk whose other node shows only the whole, or one of them, claim that once")
    func sharedClaims() throws {
        let whole = Self.node("sdb", 16)
        let part = Self.node("sdb1", 17) { ($0.partitionNumber, $0.parent) = (1, "sdb") }
        let tree = BlockTree([whole, part])
        let plans = [("sda1", part), ("sda2", whole)].map { name, other in
            let own = Self.node(name, 1)
            let paths = [OtherPath(node: other, uses: [])]
            let inspection = DiskInspection(node: own, contents: nil, tree: [own], otherPaths: paths)
            return ZapPlanner(tree: tree, options: ZapOptions()).plan(name, inspection)
        }
        let claims = SharedClaims(plans)
        var made: [String] = []
        for node in [part, whole, part] {
            let claim = try claims.claim(node, in: tree) { node throws(Refusal) in
                made.append(node.name)
                do throws(KernelError) {
                    return PathClaim(node, try BlockIOControl(opening: "/dev/null", flags: OpenFlag.readOnly))
                } catch {
                    throw Refusal(.held, error.description, remedy: "")
                }
            }
            #expect(claim.node.name == "sdb")
        }
        #expect(made == ["sdb"])
    }

    @Test("A volume that stands on another disk, too")
    func spansDisks() {
        let other = Self.node("sdb", 2)
        let found = Self.codes(
            holder: { node in
                node.mapping = .init(name: "vg-lv", uuid: "LVM-x")
                node.slaves = ["sda", "sdb"]
            },
            others: [other]
        )
        #expect(found == [.spansDisks])
    }

    @Test("A volume and an encrypted device on it are taken down, the topmost first")
    func teardown() {
        let disk = Self.node("sda", 0) { $0.holders = ["dm-0"] }
        let volume = Self.node("dm-0", 1) {
            ($0.slaves, $0.holders) = (["sda"], ["dm-1"])
            $0.mapping = .init(name: "ceph--1-osd", uuid: "LVM-1")
        }
        let crypt = Self.node("dm-1", 2) {
            $0.slaves = ["dm-0"]
            $0.mapping = .init(name: "x", uuid: "CRYPT-LUKS2-1-x")
        }
        let tree = BlockTree([disk, volume, crypt])
        let plan = ZapPlanner(tree: tree, options: ZapOptions()).plan("/dev/sda", Self.inspection(disk, tree))
        #expect(plan.refusals.isEmpty)
        #expect(plan.teardown.map(\.node) == ["dm-1", "dm-0"])
    }

    @Test("A mapping is not erased: the disk below it is to be named")
    func mapping() {
        let disk = Self.node("dm-0", 0) { $0.mapping = .init(name: "a", uuid: "LVM-a") }
        let tree = BlockTree([disk])
        let plan = ZapPlanner(tree: tree, options: ZapOptions()).plan("/dev/dm-0", Self.inspection(disk, tree))
        #expect(plan.refusals.map(\.code) == [.mapping])
    }

    @Test("Zoned, read-only, without discard, carrying the system")
    func device() {
        let disk = Self.node("sda", 0) {
            $0.isReadOnly = true
            $0.queue.zoneModel = "host-managed"
        }
        let tree = BlockTree([disk])
        let planner = ZapPlanner(tree: tree, options: ZapOptions(method: .discard), systemDevices: ["sda": "/var"])
        let codes = planner.plan("/dev/sda", Self.inspection(disk, tree)).refusals.map(\.code)
        #expect(Set(codes) == [.system, .readOnly, .zoned, .unsupportedMethod])
        #expect(planner.plan("/dev/sda", Self.inspection(disk, tree)).refusals.allSatisfy { !$0.canBeNamed })
    }

    @Test("Every position of a label is erased as far as the device reaches, in the disk and in its volume")
    func places() throws {
        let disk = Self.node("sda", 0) { $0.sizeBytes = 2 << 40 }
        let tree = BlockTree([disk])
        let plan = ZapPlanner(tree: tree, options: ZapOptions()).plan("/dev/sda", Self.inspection(disk, tree))
        for position in BlueStoreLabel.positions {
            #expect(plan.ranges.contains { $0.offset <= position && $0.end >= position + 4096 })
        }
        #expect(zip(plan.ranges, plan.ranges.dropFirst()).allSatisfy { $0.end < $1.offset })
        #expect(plan.ranges.last?.end == 2 << 40)
        #expect(plan.bytesToErase < 140 << 20)
    }

    @Test("The same disk has the same hash, and another sequence, serial or content another")
    func hashes() {
        func hash(_ change: (inout BlockNode) -> Void, _ content: [UInt8] = []) -> String {
            let disk = Self.node("sda", 0, change)
            let tree = BlockTree([disk])
            let source = MemorySource(sizeBytes: disk.sizeBytes, parts: [(0, content)])
            return ZapPlanner(tree: tree, options: ZapOptions()).plan("/dev/sda", Self.inspection(disk, tree, source))
                .hash
        }
        let plain = hash { _ in }
        #expect(plain == hash { _ in })
        let others = [
            hash { $0.diskSequence = 7 }, hash { $0.hardware.serial = "S" }, hash { $0.sizeBytes += 512 },
            hash({ _ in }, Array("XFSB".utf8)), hash { $0.device = DeviceNumber(major: 8, minor: 16) },
        ]
        #expect(Set(others + [plain]).count == others.count + 1)
    }

    @Test("A volume group on two disks: both named, one named, one away", arguments: [["sda", "sdb"], ["sda"], []])
    func groups(together: [String]) {
        let disk = Self.node("sda", 0) { $0.sizeBytes = 3 << 30 }
        let tree = BlockTree([disk, Self.node("sdb", 16)])
        let source = MemorySource(sizeBytes: disk.sizeBytes, parts: [(0, TwoDiskGroup.bytes())])
        let places =
            together.isEmpty ? [TwoDiskGroup.own: "sda"] : [TwoDiskGroup.own: "sda", TwoDiskGroup.other: "sdb"]
        let planner = ZapPlanner(
            tree: tree,
            options: ZapOptions(clusters: [TwoDiskGroup.cluster]),
            together: Set(together.isEmpty ? ["sda"] : together),
            physicalVolumes: places
        )
        let plan = planner.plan("/dev/sda", Self.inspection(disk, tree, source))
        switch together.count {
        case 2: #expect(plan.refusals.isEmpty)
        case 1:
            #expect(Set(plan.refusals.map(\.code)) == [.spansDisks, .content])
            #expect(plan.refusals.contains { $0.message.contains("'ceph-two' stands on sdb, too") })
        default: #expect(Set(plan.refusals.map(\.code)) == [.content], "a disk that is away may be named away")
        }
        // The volume goes on here, at extent 200: its byte 1 GiB is 10 MiB into that part.
        let copy = UInt64(1 << 20) + 200 * (2 << 20) + (10 << 20)
        #expect(plan.ranges.contains { $0.offset <= copy && $0.end >= copy + 4096 })
    }
}
