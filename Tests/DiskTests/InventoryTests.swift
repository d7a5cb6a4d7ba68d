import Foundation
import Glibc
import LinuxKernel
import Testing

/// Every reason for which `ceph-volume inventory` rejects a disk is told by `nacre-disk check`, in the same words, and no other.
///
/// By default this machine's Ceph 16.2 is asked; `tools/test disk --release tentacle --filter InventoryTests` asks 20.2.4.
/// Sources/Manual has the table of what is told otherwise, and why.
@Suite(
    "Beside ceph-volume inventory and what Rook looks at",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"),
    .enabled(if: Inventory.release != nil, "needs ceph-volume"),
    .enabled(if: OracleTests.has("lvcreate") && OracleTests.has("sgdisk"), "needs lvm2 and gdisk")
)
struct InventoryTests {
    @Test("Each reason for each disk, and none that ceph-volume and Rook do not have")
    func reasons() throws {
        let lab = try DiskLab()
        let disks = try InventoryCase.all.flatMap { try $0.disks(lab) }
        let ours = try Check.of(disks.map(\.device), lab)
        try compareWithInventory(disks, ours, lab)
        try compareWithRook(disks, ours, lab)
    }

    private func compareWithInventory(_ disks: [InventoryCase.Named], _ ours: [String: Check], _ lab: DiskLab) throws {
        let theirs = try Inventory.ask(disks.map(\.device), lab)
        let release = try #require(Inventory.release)
        for disk in disks {
            let found = try #require(theirs[disk.device], "\(disk.name)")
            let told = try #require(ours[disk.device], "\(disk.name)")
            #expect(found.reasons == told.cephVolume(of: release), "\(disk.name): Ceph \(release), and then nacre-disk")
            #expect(found.isAvailable == found.reasons.isEmpty, "\(disk.name)")
            // What it makes is for new OSDs.
            if disk.isPartition, disk.name.hasSuffix(InventoryCase.prepared.name) {
                #expect(found.isAvailable && told.rejections.isEmpty, "\(disk.name): \(found) \(told)")
            }
        }
        // The set has both kinds.
        #expect(theirs.values.contains { $0.isAvailable } && theirs.values.contains { !$0.isAvailable })
    }

    /// Rook's own looks: the type that blkid gives, the label's first bytes, and sgdisk's answer.
    private func compareWithRook(_ disks: [InventoryCase.Named], _ ours: [String: Check], _ lab: DiskLab) throws {
        let looks = """
            for device in \(disks.map(\.device).joined(separator: " ")); do
                timeout 20 sgdisk --print $device > /dev/null 2>&1 && sgdisk=0 || sgdisk=$?
                type=$(timeout 20 blkid -p -o value -s TYPE $device)
                echo "$sgdisk|$type|$(head -c 22 $device | tr -d '\\0' | tr -c 'a-z ' '?')"
            done
            """
        let lines = try lab.sh(looks).split(separator: "\n")
        try #require(lines.count == disks.count, "\(lines)")
        for (disk, line) in zip(disks, lines) {
            let looks = line.split(separator: "|", omittingEmptySubsequences: false)
            let (sgdisk, type, head) = (looks[0], looks[1], looks[2])
            let told = try #require(ours[disk.device], "\(disk.name)").rejections.filter { $0.judge == "rook" }
                .map(\.reason)
            #expect(
                told.filter { $0.hasPrefix("has a filesystem") } == (type.isEmpty ? [] : ["has a filesystem: \(type)"]),
                "\(disk.name)"
            )
            #expect(
                told.contains { $0.hasPrefix("detected an existing OSD") } == (head == "bluestore block device"),
                "\(disk.name): \(head)"
            )
            guard !disk.isPartition else { continue }
            #expect(told.contains { $0.contains("sgdisk --print fails") } == (sgdisk != "0"), "\(disk.name): \(told)")
        }
    }
}

/// What `nacre-disk check -o json` tells of a disk.
private struct Check: Decodable {
    struct Rejection: Decodable {
        let judge: String
        let reason: String
        let since: Int?
    }
    let path: String
    let rejections: [Rejection]

    static func of(_ devices: [String], _ lab: DiskLab) throws -> [String: Check] {
        let ran = lab.nacre("check -o json \(devices.joined(separator: " "))")
        try #require(ran.status == 1, "\(ran.status) \(ran.errors)")
        let found = try JSONDecoder().decode([Check].self, from: Data(ran.output.utf8))
        return Dictionary(uniqueKeysWithValues: found.map { ($0.path, $0) })
    }

    /// What ceph-volume of that release says, but for loop devices, which it takes here as it takes disks.
    func cephVolume(of release: Int) -> Set<String> {
        let told = rejections.filter { $0.judge == "ceph-volume" && $0.since ?? 16 <= release }.map(\.reason)
        return Set(told).subtracting(["Device type is not acceptable. It should be raw device or partition"])
    }
}

/// `ceph-volume inventory`, of this machine or in a root of its own.
enum Inventory {
    struct Answer {
        let reasons: Set<String>
        let isAvailable: Bool
    }

    private struct Report: Decodable {
        let path: String
        let available: Bool
        let rejectedReasons: [String]

        enum CodingKeys: String, CodingKey {
            case path, available
            case rejectedReasons = "rejected_reasons"
        }
    }

    private static let root = getenv("NACRE_CEPH_VOLUME").map { String(cString: $0) } ?? "/"
    private static let inRoot = "\(Matrix.repository)/tools/lib/in-root \(root)"

    /// Its major release; `nil` where there is none.
    static let release: Int? = {
        guard DiskLab.run("\(inRoot) sh -c 'command -v ceph-volume'", limit: 60).status == 0 else { return nil }
        let words = DiskLab.run("\(inRoot) ceph-osd --version", limit: 60).output.split(separator: " ")
        return words.count > 2 ? words[2].split(separator: ".").first.flatMap { Int($0) } : nil
    }()

    /// Asks for each of them; the program is started once, because most of its time is Python's start.
    static func ask(_ devices: [String], _ lab: DiskLab) throws -> [String: Answer] {
        let script = "\(lab.directory)/inventory"
        // It sees no device but these: each program that it starts looks at all of them, and other tests' come and go.
        // In /run/udev is what udevd would have noted: 20.2.4 fails where one device has nothing there.
        let text = """
            set -e
            view=\(lab.directory)/view
            mkdir -p $view/block $view/class $view/dev \(lab.directory)/bin /run/udev
            mount -t tmpfs none /run/udev
            mkdir /run/udev/data
            : > /run/udev/control
            for device in \(devices.joined(separator: " ")); do
                name=${device#/dev/}
                number=$(cat /sys/class/block/$name/dev)
                [ ! -e /sys/block/$name ] || cp -d /sys/block/$name $view/block
                cp -d /sys/class/block/$name $view/class
                cp -d /sys/dev/block/$number $view/dev
                { echo I:1; blkid -p -o udev $device | sed s/^/E:/ || true; } > /run/udev/data/b$number
            done
            mount --bind $view/block /sys/block
            mount --bind $view/class /sys/class/block
            mount --bind $view/dev /sys/dev/block
            command -v udevadm > /dev/null || { printf '#!/bin/sh\\nexit 0\\n' > \(lab.directory)/bin/udevadm; chmod +x \(lab.directory)/bin/udevadm; }
            export PATH=$PATH:\(lab.directory)/bin CEPH_VOLUME_SKIP_RESTORECON=yes CEPH_VOLUME_ALLOW_LOOP_DEVICES=true
            exec \(inRoot) /usr/bin/python3 \(script).py \(devices.joined(separator: " "))
            """
        let python = """
            import contextlib, io, json, sys
            sys.argv[0] = "ceph-volume"
            from ceph_volume.main import Volume

            def report(device):
                words = ["ceph-volume", "--log-path", "\(lab.directory)", "inventory", "--format", "json", device]
                said = io.StringIO()
                with contextlib.redirect_stdout(said):
                    try:
                        Volume(argv=words)
                    except SystemExit as end:
                        if end.code: raise
                return dict(json.loads(said.getvalue()), path=device)

            print(json.dumps([report(device) for device in sys.argv[1:]]))
            """
        try KernelFile.replace(script, with: Array(text.utf8))
        try KernelFile.replace("\(script).py", with: Array(python.utf8))
        let ran = DiskLab.run("unshare --mount --propagation private bash \(script)", limit: 300)
        try #require(ran.status == 0, "\(ran.errors.suffix(3000))")
        let line = ran.output.split(separator: "\n").last ?? ""
        let reports = try JSONDecoder().decode([Report].self, from: Data(line.utf8))
        return Dictionary(
            uniqueKeysWithValues: reports.map {
                ($0.path, Answer(reasons: Set($0.rejectedReasons), isAvailable: $0.available))
            }
        )
    }
}
