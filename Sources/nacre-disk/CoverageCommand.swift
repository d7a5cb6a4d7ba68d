internal import ArgumentParser
import CommandNames

/// What of the old tools there is.
struct CoverageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coverage",
        abstract: "Show what takes the place of each option of dmsetup, sgdisk, wipefs and the like."
    )

    func run() {
        var table = Table("OLD", "STATE", "NEW")
        for row in Self.rows { table.rows.append([row.0, row.1, row.2]) }
        Console.result(table.text)
    }

    /// The old command, `works` or `refused`, and what to use or why not.
    static let rows: [(String, String, String)] = [
        ("dmsetup version", "works", "dm version"),
        ("dmsetup ls, ls --target", "works", "dm ls [--target TYPE], with the OSD and cluster of each"),
        ("dmsetup ls --tree", "works", "dm ls --output tree, from disks upwards"),
        ("dmsetup info", "works", "dm info [-o json]"),
        ("dmsetup table", "works", "dm table; keys are always blanked, there is no --showkeys"),
        ("dmsetup status", "works", "dm status; never flushes"),
        ("dmsetup deps", "works", "dm deps, names and numbers"),
        ("dmsetup remove", "works", "dm remove NAME|UUID|NUMBER; gone already is success; busy names its users"),
        ("dmsetup remove --retry", "works", "the standard; --no-retry does without"),
        ("dmsetup remove --force", "works", "dm remove --force"),
        ("dmsetup remove --deferred", "works", "dm remove --deferred, told apart from removed"),
        (
            "dmsetup remove_all", "refused",
            "it would take root's volumes; dm clean --ceph --fsid ID takes one cluster's"
        ),
        ("dmsetup wipe_table", "works", "part of dm remove --force"),
        (
            "dmsetup create (linear)", "works",
            "dm create NAME --device D --offset B --length B, read-only unless --writable"
        ),
        ("dmsetup create (crypt)", "refused", "needs keys; use cryptsetup"),
        ("dmsetup suspend, resume, rename", "works", "dm suspend, dm resume, dm rename"),
        ("dmsetup reload, clear, message, wait", "refused", "no teardown needs them outside of remove --force"),
        ("dmsetup mknodes", "works", "stale nodes only: dm clean --ceph"),
        ("dmsetup splitname", "works", "dm splitname; decodes \\xNN, too"),
        ("dmsetup mangle", "refused", "names are decoded where they are shown, never renamed"),
        ("dmsetup udevcookies", "works", "dm udevcookies"),
        ("dmsetup udevcomplete_all", "refused", "another tool may wait for them; nacre-disk makes none"),
        ("dmsetup targets", "works", "dm targets"),
        ("dmsetup stats, setgeometry, measure", "refused", "nothing of OSDs"),
        ("dmsetup --noudevsync", "works", "the only mode"),
        ("sgdisk -p, -i", "works", "gpt print, also of broken tables"),
        ("sgdisk -v", "works", "gpt verify; exit status 1 when anything is wrong"),
        ("sgdisk -O", "works", "inspect -o json shows the MBR's kind; gpt print says what it is"),
        ("sgdisk -Z, -z", "works", "gpt zap (tables only), zap (everything)"),
        ("sgdisk -o", "works", "gpt new; refused while anything is on the disk"),
        ("sgdisk -n, -N, -a, -I", "works", "gpt add --start --end; begins at whole MiB, ends where told"),
        ("sgdisk -t, -L", "works", "gpt type, gpt types; names such as ceph-block, codes, GUIDs"),
        ("sgdisk -c, -u, -U, -G", "works", "gpt name, gpt uuid [--number N] [--uuid U] [--all]"),
        ("sgdisk -d", "works", "gpt delete; refused in use; content stays"),
        ("sgdisk -e", "works", "gpt repair"),
        ("sgdisk -b, -l", "works", "gpt backup, gpt restore; sgdisk reads the file and the other way round"),
        ("sgdisk -R", "works", "gpt backup, gpt restore on the other disk, gpt uuid --all"),
        ("sgdisk -D, -E, -f, -F", "refused", "gpt add finds the room by itself"),
        ("sgdisk -P", "works", "--plan of every change"),
        ("sgdisk -g, -m, -h, -T, -s, -r, -A, -B, -C, -j, -k, -S", "refused", "no OSD needs them"),
        ("wipefs (list), -J, -n", "works", "inspect [-o json], plan"),
        ("wipefs -a, -b", "works", "zap [--backup DIR]"),
        ("wipefs -o, -t", "refused", "a half-erased disk is what the next OSD trips over"),
        ("blkdiscard", "works", "zap --method discard; what must be zero is written, too"),
        ("blkdiscard -z", "works", "zap --method zero"),
        ("blkdiscard -s, -o, -l", "refused", "few devices can; parts are never discarded alone"),
        ("dd if=/dev/zero", "works", "zap; one flush at the end instead of one each write"),
        ("partprobe", "works", "gpt reread, also while partitions are in use; every change tells the kernel by itself"),
        ("ceph-volume lvm zap --destroy", "works", "zap --fsid ID; teardown --fsid ID for all of a node"),
        ("rm -rf /dev/ceph-*", "works", "dm clean --ceph: names that lead nowhere, nothing else"),
        ("rm -rf /var/lib/rook", "works", "teardown --data-dir: this cluster's part only"),
    ]
}
