"""The table of marks: every format of FormatCatalog, where its marks are, and who else knows it."""
import re

from pages import ROOT

SOURCES = ROOT / "Sources/BlockDevices"
# What `blkid -k` of Debian 12 (util-linux 2.38.1) prints, and the partition tables that its libblkid reads.
SUPERBLOCKS = set("""
linux_raid_member ddf_raid_member isw_raid_member lsi_mega_raid_member via_raid_member silicon_medley_raid_member
nvidia_raid_member promise_fasttrack_raid_member hpt45x_raid_member hpt37x_raid_member adaptec_raid_member
jmicron_raid_member bcache ceph_bluestore drbd drbdmanage_control_volume drbdproxy_datalog LVM2_member LVM1_member
DM_snapshot_cow DM_verity_hash DM_integrity crypto_LUKS VMFS_volume_member ubi vdo stratis BitLocker vfat swsuspend swap xfs
xfs_external_log exfs ext4dev ext4 ext3 ext2 jbd reiserfs reiser4 jfs udf iso9660 zfs_member hfsplus hfs ufs hpfs sysv xenix
ntfs ReFS cramfs romfs minix gfs gfs2 ocfs ocfs2 oracleasm vxfs squashfs squashfs3 nss btrfs ubifs bfs VMFS befs nilfs2 exfat
f2fs mpool apfs zonefs erofs
""".split())
# What that of util-linux 2.42.4 prints beyond those; DiskTests compare all of them with it.
NEWER = {"bcachefs", "cs_fvault2", "scoutfs_meta", "scoutfs_data"}
# Formats that no libblkid knows, and who else does.
READERS = {
    "pc98": "libblkid, as `dos`; parted", "amiga": "the kernel, parted", "loop": "parted", "xfs_realtime": "the kernel, xfs_repair",
    "lvm2_metadata": "LVM, by `pvck`", "ceph_bluestore_copy": "Ceph", "ceph_bluefs": "Ceph", "ceph_replacement": "ceph-volume",
    "nacre_zap": "—", "dasd": "the kernel, fdasd",
}
TABLES = {"aix", "atari", "bsd", "dos", "gpt", "mac", "minix", "PMBR", "sgi", "solaris", "sun", "ultrix", "unixware"}
USES = {"ceph": "Ceph", "fileSystem": "file system", "raid": "RAID", "crypto": "encryption", "partitionTable": "partition table",
        "other": "other"}
NUMBER = r"0x[0-9A-Fa-f_]+|[0-9_]+"
# Where the marks are that code computes; all others are literals. A format that lacks a line here stops `generate`.
COMPUTED = {
    "gpt": "512, 4,096, end − 512, end − 4,096, and an old backup where a header names it",
    "PMBR": "510", "dos": "510", "sun": "508", "mac": "0, and the next block",
    "atari": "454, 466, 478 or 490; one byte further parted's name",
    "amiga": "one of the first 16 sectors", "pc98": "4",
    "dasd": "1,024, 2,048, 4,096 or 8,192, or 4 bytes behind one of them",
    "nacre_zap": "end − 98,304, rounded down to 4,096",
    "ceph_bluestore_copy": "1 GiB, 10 GiB, 100 GiB, 1000 GiB", "ceph_bluefs": "4,096",
    "LVM2_member": "24, 536, 1,048, 1,560", "lvm2_metadata": "4,100, 4 bytes behind the last 1 MiB's start, and what a label names",
    "crypto_LUKS": "0; the second header at a power of two from 16 KiB to 4 MiB", "cs_fvault2": "88",
    "linux_raid_member": "0 (1.1), 4,096 (1.2), end − 8,192 rounded down to 4,096 (1.0), end rounded down to 65,536, less 65,536 (0.90)",
    "isw_raid_member": "the last sector but one, of 512 or 4,096 bytes",
    "ddf_raid_member": "end − 512, end − 131,584, and the primary header that these name",
    "adaptec_raid_member": "end − 512", "jmicron_raid_member": "end − 512", "via_raid_member": "end − 512",
    "silicon_medley_raid_member": "end − 416",
    "promise_fasttrack_raid_member": "end − 512 × 16, 63, 255, 256, 399, 591, 675, 735, 911, 951, 974, 991 or 3,087",
    "zfs_member": "16,384 and the ring from 131,072 of each of four labels of 262,144 bytes: two at the start, two at the end",
    "ext2": "1,080", "ext3": "1,080", "ext4": "1,080", "ext4dev": "1,080", "jbd": "1,080", "xfs": "0",
    "vfat": "54 or 82; 0; 510", "BitLocker": "0", "stratis": "516, 4,612", "jfs": "32,768, 61,440",
    "reiserfs": "8,212, 8,244, 65,588", "nvidia_raid_member": "end − 1,024", "scoutfs_meta": "65,540", "scoutfs_data": "65,540",
    "squashfs": "0", "ubi": "0", "zonefs": "0", "romfs": "0", "cramfs": "0", "apfs": "32", "mpool": "0", "sysv": "1,016, 10,232, 16,376, 19,448",
    "xfs_external_log": "one of the first 512 sectors", "gfs": "65,536", "gfs2": "65,536",
    "swap": "10 bytes before 4,096, 8,192, 16,384, 32,768 or 65,536",
    "swsuspend": "10 bytes before 4,096, 8,192, 16,384, 32,768 or 65,536; 0",
    "nilfs2": "1,030, and 6 bytes behind the start of the last whole block of 4,096 bytes",
    "hfs": "1,024", "hfsplus": "1,024, end − 1,024", "minix": "1,040 or 1,048",
}


def catalogue():
    """The identifiers of FormatCatalog.formats, in their order."""
    text = (SOURCES / "Signatures/FormatCatalog.swift").read_text(encoding="utf-8")
    body = re.search(r"formats: \[Format\] = \[(.*?)\n    \]", text, re.S).group(1)
    return re.findall(r"\.(\w+)", body)


def declarations():
    """By identifier: the declaration's text, the file's text, the comment of the file, and the declaration's own."""
    found = {}
    for path in sorted((SOURCES / "Signatures").glob("*.swift")):
        text = path.read_text(encoding="utf-8")
        doc = re.search(r"((?:^///.*\n)+)extension Format\b", text, re.M)
        for match in re.finditer(r"^((?:    ///.*\n)*)    static let (\w+) = ((?:.*\n)(?:        .*\n|    [)}].*\n|\n(?=        ))*)", text, re.M):
            found[match.group(2)] = (match.group(3), text, doc.group(1) if doc else "", match.group(1))
    return found


def meaning(doc):
    """The first paragraph of a doc comment."""
    words = []
    for line in doc.splitlines():
        line = line.strip().removeprefix("///").strip()
        if not line:
            break
        words.append(line)
    return " ".join(words)


def name_and_use(declaration, text):
    called, name = re.match(r'(\w+)\(\s*"([^"]+)"', declaration).groups()
    own = re.search(rf"(?:func {called}\(.*?)?\bFormat\(\s*name,\s*\.(\w+)", text, re.S) if called != "Format" else \
        re.match(r'Format\(\s*"[^"]+",\s*\.(\w+)', declaration)
    return name, USES[own.group(1)]


def number(text):
    return int(text.replace("_", ""), 0)


def places(declaration):
    """Where the marks are, if literals say all of it."""
    # A closure behind the magics only says no.
    declaration = re.sub(r"\) \{ device in\n.*", ")", declaration, flags=re.S) if "Magic(" in declaration.partition("{")[0] else declaration
    if re.search(r"\{ ?(device|\$0| *$)|\{ *\n", declaration) or not declaration.startswith("Format("):
        return None
    starts = sorted({number(value) for value in re.findall(rf"\bat: ({NUMBER})", declaration)})
    ends = sorted({number(value) for value in re.findall(rf"\bbeforeEnd: ({NUMBER})", declaration)})
    if not starts and not ends:
        return None
    return ", ".join([f"{value:,}" for value in starts] + [f"end − {value:,}" for value in ends])


def others(name, usage):
    if name in READERS:
        return READERS[name]
    is_known = name in TABLES if usage == USES["partitionTable"] else name in SUPERBLOCKS
    return "libblkid" if is_known else "libblkid of util-linux 2.42" if name in NEWER else "—"


def text():
    known = declarations()
    lines = ["| format | use | what it is | bytes from the start | who else sees it |", "| --- | --- | --- | --- | --- |"]
    for identifier in catalogue():
        declaration, whole, doc, own = known[identifier]
        name, use = name_and_use(declaration, whole)
        where = places(declaration) or COMPUTED.get(name)
        if where is None:
            raise SystemExit(f"tools/lib/manual/marks.py does not say where the marks of {name} are: add it to COMPUTED")
        # A family shares the description of its file, unless a member has one of its own.
        lines.append(f"| `{name}` | {use} | {meaning(own or doc)} | {where} | {others(name, use)} |")
    return "\n".join(lines) + "\n"
