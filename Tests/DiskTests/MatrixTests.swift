import Glibc
import LinuxKernel
import Testing

@testable import BlockDevices

/// Every format of the newest libblkid, beside its own wipefs and blkid: what they name, and where, we name as well.
///
/// The images are made by the newest tools of Debian (Matrix/images.sh), and where there is none, as libblkid's own
/// checks want them (Matrix/records.py).
@Suite(
    "Beside the newest wipefs and blkid",
    .serialized,
    .enabled(if: DiskLab.obstacle == nil, "\(DiskLab.obstacle ?? "")"),
    .enabled(if: Matrix.root != nil, "needs tools/lib/disk-tools: tools/test disk")
)
struct MatrixTests {
    @Test("Each mark of each format is found at its place and has the same name")
    func marks() throws {
        let lab = try DiskLab()
        let images = try Matrix.images(lab)
        #expect(images.count >= Matrix.leastImages)
        let inspected = try Matrix.inspect(images, lab)
        for image in images {
            let marks = try #require(inspected[image.loop], "\(image.name)")
            let theirs = image.wipefs
            if let reason = Matrix.unknownToOthers[image.name] {
                #expect(theirs.isEmpty, "\(image.name): \(reason), but wipefs lists \(theirs)")
                #expect(!marks.isEmpty, "\(image.name)")
                continue
            }
            #expect(!theirs.isEmpty || image.blkid != nil, "\(image.name): wipefs lists nothing")
            for mark in theirs {
                // Once the name of an exFAT or NTFS is gone, what ends its boot sector looks like a table to wipefs.
                let isEndOfBoot = mark.format == "dos" && marks.contains { ["exfat", "ntfs"].contains($0.format) }
                let isNamed = marks.contains { $0.offset == mark.offset && (isEndOfBoot || $0.format == mark.format) }
                #expect(isNamed, "\(image.name): wipefs lists \(mark), we \(marks)")
            }
            if let type = image.blkid {
                #expect(marks.contains { $0.format == type }, "\(image.name): blkid says \(type), we \(marks)")
            }
            // What they do not see of it: copies, metadata.
            let known = Set(theirs.map(\.format)).union(Matrix.others[image.name] ?? [])
            #expect(marks.allSatisfy { known.contains($0.format) }, "\(image.name): \(marks) but wipefs \(theirs)")
        }
    }

    @Test(
        "Each format that libblkid knows is known here by the same name",
        .enabled(if: Matrix.version.contains(" 2.42.4 "), "tools/lib/disk-tools has \(Matrix.version), not 2.42.4")
    )
    func names() throws {
        let known = DiskLab.run("\(Matrix.inRoot) blkid -k", limit: 60).output.split(separator: "\n").map(String.init)
        #expect(known.count >= 70)
        let own = Set(FormatCatalog.formats.map(\.name))
        #expect(known.filter { !own.contains($0) } == [])
    }

    @Test("What the newest blkid passes over because its checksum is wrong is shown with that reason")
    func wrongChecksum() throws {
        let lab = try DiskLab()
        let disk = try lab.disk("xfs", 320 << 20)
        let type = "\(Matrix.inRoot) blkid -p -o value -s TYPE \(disk.loop)"
        try lab.sh("mkfs.xfs -qf \(disk.loop)")
        try disk.flush()
        #expect(DiskLab.run(type, limit: 60).output == "xfs\n")
        // Its label.
        try lab.sh("printf x | dd of=\(disk.loop) bs=1 seek=108 conv=notrunc status=none")
        try disk.flush()
        #expect(DiskLab.run(type, limit: 60).output.isEmpty)
        let shown = lab.nacre("inspect \(disk.loop)")
        #expect(shown.output.contains("xfs") && shown.output.contains("checksum"), "\(shown)")
    }

    @Test("ZFS' labels that wipefs -a leaves are found, and go", arguments: ["/", "newest"])
    func wipedZFS(which: String) throws {
        let lab = try DiskLab()
        let file = "\(lab.directory)/zfs.img"
        let unpack = "import lzma, sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())"
        try lab.sh("/usr/bin/python3 -c '\(unpack)' \(Matrix.fixtures)/zfs.img.xz > \(file)")
        let disk = Disk(file: file, loop: try lab.attach(file))
        func labels() -> Int {
            lab.nacre("inspect -o json \(disk.loop)").output.split(separator: "\n").filter { $0.contains("zfs_member") }
                .count
        }
        #expect(labels() > 8)
        // That of Debian 12 takes uberblocks away and leaves the lists; the newest does it the other way round.
        let wipefs = which == "/" ? "wipefs" : "\(Matrix.inRoot) wipefs"
        try lab.sh("\(wipefs) -aq \(disk.loop)")
        try disk.flush()
        #expect(DiskLab.run("\(wipefs) \(disk.loop)", limit: 60).output.isEmpty)
        #expect(labels() >= 4)
        let unasked = lab.nacre("zap \(disk.loop) --serial \(disk.file)")
        #expect(unasked.status == 77 && unasked.errors.contains("zfs_member"), "\(unasked.errors)")
        let ran = lab.nacre("zap \(disk.loop) --serial \(disk.file) --content zfs_member")
        #expect(ran.status == 0, "\(ran.errors)")
        try disk.flush()
        #expect(disk.isZero(0, 512 << 10) && disk.isZero((128 << 20) - (512 << 10), 512 << 10))
    }

    @Test("Of a name alone we say what wipefs says: mostly nothing, of some that their checksum is wrong")
    func namesAlone() throws {
        let lab = try DiskLab()
        let images = try Matrix.alone(lab)
        #expect(images.count >= 35 && images.filter(\.wipefs.isEmpty).count >= 30)
        let inspected = try Matrix.inspect(images, lab)
        for image in images {
            #expect(inspected[image.loop] == Set(image.wipefs), "\(image.name)")
            // It is not blank either: nobody erases it without saying so.
            let ran = lab.nacre("zap \(image.loop) --serial \(image.file)")
            #expect(ran.status == 77 && ran.errors.contains("--content"), "\(image.name): \(ran.errors)")
        }
    }
}

/// The images, and what the others say of them.
enum Matrix {
    struct Mark: Hashable, CustomStringConvertible {
        let format: String
        let offset: UInt64

        var description: String { "\(format) at \(offset)" }
    }

    struct Image {
        let name: String
        let file: String
        let loop: String
        let wipefs: [Mark]
        /// The TYPE or PTTYPE that `blkid -p` says.
        let blkid: String?
    }

    static let root = getenv("NACRE_DISK_TOOLS").map { String(cString: $0) }
    static let leastImages = 145
    static let repository = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    static let fixtures = "\(repository)/Tests/BlockDevicesTests/Fixtures"
    static let inRoot = "\(repository)/tools/lib/in-root \(root ?? "/")"

    static let version = DiskLab.run("\(inRoot) blkid -V", limit: 60).output

    /// What neither wipefs nor blkid sees, and who does.
    static let unknownToOthers = [
        "xfs-realtime": "only the kernel and xfs_repair read it", "amiga": "the kernel and parted read it",
        "amiga-blank": "the kernel and parted read it", "atari-blank": "only parted reads it",
        "loop": "only parted reads it",
        "reiserfs-journal-apart": "libblkid compares the journal's place on another device; mkreiserfs -j writes it",
    ]
    /// Formats that they see only in part.
    static let others: [String: Set<String>] = [
        "bluestore": ["ceph_bluefs"], "lvm2": ["lvm2_metadata"], "pc98": ["pc98"], "pc98-blank": ["pc98"],
    ]

    /// Makes the images and asks wipefs and blkid about each.
    static func images(_ lab: DiskLab) throws -> [Image] {
        let folder = "\(repository)/Tests/DiskTests/Matrix"
        let ran = DiskLab.run("\(inRoot) bash \(folder)/images.sh \(lab.directory) \(fixtures)", limit: 400)
        let made = lines(ran.output)
        for failure in made where failure.hasPrefix("failed ") { Issue.record("\(failure)") }
        let records = try lab.sh("/usr/bin/python3 -B \(folder)/records.py \(lab.directory) all")
        return try look(at: made.filter { !$0.hasPrefix("failed ") } + lines(records), lab)
    }

    /// Images with nothing but the name of a format.
    static func alone(_ lab: DiskLab) throws -> [Image] {
        let folder = "\(repository)/Tests/DiskTests/Matrix"
        return try look(at: lines(try lab.sh("/usr/bin/python3 -B \(folder)/records.py \(lab.directory) alone")), lab)
    }

    private static func lines(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    private static func look(at files: [String], _ lab: DiskLab) throws -> [Image] {
        let loops = try files.map { try lab.attach("\(lab.directory)/\($0)") }
        // One mount namespace for all questions.
        let script = """
            for d in \(loops.joined(separator: " ")); do
                wipefs -iO OFFSET,TYPE $d | while read -r o t; do echo "$d wipefs $t $((o))"; done
                blkid -p -o export $d | while IFS== read -r k v; do
                    case $k in TYPE|PTTYPE) echo "$d blkid $v 0" ;; esac
                done
            done
            """
        try KernelFile.replace("\(lab.directory)/ask", with: Array(script.utf8))
        let said = lines(DiskLab.run("\(inRoot) bash \(lab.directory)/ask", limit: 200).output)
            .map { $0.split(separator: " ").map(String.init) }
        return zip(files, loops).map { file, loop in
            let own = said.filter { $0.count == 4 && $0[0] == loop }
            return Image(
                name: String(file.dropLast(4)),
                file: "\(lab.directory)/\(file)",
                loop: loop,
                wipefs: own.filter { $0[1] == "wipefs" }.map { Mark(format: $0[2], offset: UInt64($0[3]) ?? 0) },
                blkid: own.first { $0[1] == "blkid" }?[2]
            )
        }
    }

    /// Our marks of each device, by its path.
    static func inspect(_ images: [Image], _ lab: DiskLab) throws -> [String: Set<Mark>] {
        let words = images.map(\.loop).joined(separator: " ")
        let query = #".[] | .path as $p | "\($p) - 0", (.regions[0].signatures[] | "\($p) \(.format) \(.offset)")"#
        try KernelFile.replace("\(lab.directory)/query", with: Array(query.utf8))
        let text = try lab.sh(
            "\(DiskLab.program) inspect -o json \(words) | jq -r -f \(lab.directory)/query",
            limit: 200
        )
        var found: [String: Set<Mark>] = [:]
        for line in lines(text) {
            let parts = line.split(separator: " ").map(String.init)
            guard parts.count == 3 else { continue }
            if parts[1] == "-" {
                found[parts[0], default: []] = []
            } else {
                found[parts[0], default: []].insert(Mark(format: parts[1], offset: UInt64(parts[2]) ?? 0))
            }
        }
        return found
    }
}
