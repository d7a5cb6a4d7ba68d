"""records.py DIR all|alone: makes an image of each format that no program of Debian makes, and prints its name; alone, one
with nothing but the format's name.

Each is as little as libblkid's own check of the format takes: wipefs is the judge of it, not this text. Why no program makes
them: RAIDs of controllers are written by their firmware; Windows, Solaris, SCO, VMware and Apple have closed tools; the rest
have left Debian (ReiserFS' Debian 12 still has) or never were in it.
"""

import struct
import sys
import zlib

SIZE = 64 << 20


def crc32c(data, crc=0xFFFFFFFF):
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


def fields(size, *values):
    """A block of zeros with (offset, bytes) in it."""
    block = bytearray(size)
    for offset, value in values:
        block[offset:offset + len(value)] = value
    return block


def le(value, size=4):
    return value.to_bytes(size, "little")


def be(value, size=4):
    return value.to_bytes(size, "big")


def scoutfs(flags):
    block = fields(4096, (4, b"\x8b\x42\x3c\x10"), (48, le(flags, 8)))
    block[:4] = le(crc32c(block[4:]))
    return [(65536, block)]


def mpool():
    block = fields(66, (0, b"mpoolDev"), (8, b"pool"))
    block[62:] = le(crc32c(block[:62]) ^ 0xFFFFFFFF)
    return [(0, block)]


def exfs():
    return [(0, fields(
        512, (0, b"EXFS"), (4, be(4096)), (8, be(4096, 8)), (80, be(16)), (84, be(1024)), (88, be(4)), (102, be(512, 2)),
        (104, be(512, 2)), (106, be(8, 2)), (120, bytes([12, 9, 9, 3, 10])), (127, b"\x19")))]


def stratis(at):
    block = fields(512, (4, b"!Stra0tis\x86\xff\x02^Arh"), (12 + 8, le(SIZE // 512, 8)))
    block[:4] = le(crc32c(block[4:]) ^ 0xFFFFFFFF)
    return [(at, block)]


def filevault():
    block = fields(
        512, (8, le(1, 2)), (10, le(0x10, 2)), (64, le(SIZE, 8)), (88, b"CS"), (90, le(1)), (96, le(4096)), (168, le(16)),
        (172, le(2)))
    block[4:8] = le(0xFFFFFFFF)
    block[:4] = le(crc32c(block[8:]))
    return [(0, block)]


def via():
    block = fields(64, (0, le(0xAA55, 2)), (2, b"\x02"))
    block[50] = sum(block[:50]) & 0xFF
    return [(SIZE - 512, block)]


def silicon():
    block = fields(512, (0x60, le(0x2F000000)), (0x116, b"\x01"))
    total = sum(struct.unpack("<159H", block[:0x13E]))
    block[0x13E:0x140] = le(-total & 0xFFFF, 2)
    return [(SIZE - 512, block)]


def nvidia():
    block = fields(120, (0, b"NVIDIA  "), (8, le(30)), (16, le(1, 2)))
    block[12:16] = le(-sum(struct.unpack("<30I", block)) & 0xFFFFFFFF)
    return [(SIZE - 1024, block)]


def jmicron():
    block = fields(128, (0, b"JM"), (2, le(1, 2)))
    block[4:6] = le(-sum(struct.unpack("<64H", block)) & 0xFFFF, 2)
    return [(SIZE - 512, block)]


def ddf(distance):
    block = bytearray(b"\xff" * 512)
    block[:4] = b"\xde\x11\xde\x11"
    block[28:36] = b"02.00.00"
    block[96:104] = be(SIZE // 512 - 64, 8)
    block[4:8] = be(zlib.crc32(bytes(block)))
    return [(SIZE - distance, block), (SIZE - 64 * 512, bytes(block[:512]))]


def befs(order):
    number = le if order == "<" else be
    # The super block, a root inode in block 1 and its empty attributes.
    block = fields(
        512, (32, number(0x42465331)), (36, number(0x42494745)), (40, number(1024)), (44, number(10)), (48, number(4096, 8)),
        (64, number(256)), (68, number(0xDD121031)), (72, number(1)), (76, number(12)), (80, number(1)),
        (112, number(0x15B6830E)), (116, number(0)), (120, number(4, 2)), (122, number(1, 2)))
    return [(512, block), (4096, fields(1024, (0, number(0x3BBE0AD9)), (232, number(0))))]


def hfs_plus(name):
    return [(1024, fields(512, (0, name), (2, be(4 if name == b"H+" else 5, 2)), (40, be(4096))))]


def zonefs():
    block = fields(4096, (0, b"SFOZ"))
    block[4:8] = le(zlib.crc32(bytes(block)) ^ 0xFFFFFFFF)
    return [(0, block)]


def bitlocker(head, field):
    return [(0, fields(512, (0, head), (field, le(65536, 8)))), (65536, fields(128, (0, b"-FVE-FS-"), (8, le(64, 2))))]


def reiserfs(magic, at):
    return [(at, fields(128, (12, le(18)), (44, le(4096, 2)), (52, magic)))]


def swap(end, magic):
    return [(1024, le(1) + le(100)), (end - 10, magic)]


TEXT = "Promise Technology, Inc."
RECORDS = {
    "refs": [(0, b"\0\0\0ReFS\0")],
    "exfs": exfs(),
    "mpool": mpool(),
    "scoutfs-meta": scoutfs(1),
    "scoutfs-data": scoutfs(0),
    "drbdmanage": [(0, b"$DRBDmgr=q" + b"v" + b"0123456789abcdef" * 2 + b"\n"), (4096, b"\x1a\xdb\x98\xa2" + be(1))],
    "drbdproxy": [(0, b"DRBDdlh*" + le(1, 8))],
    **{f"sysv-{block}-{order}": [(block * 1024 + 512 + 504, (le if order == "le" else be)(0xFD187E20))]
       for block in (0, 9, 15, 18) for order in ("le", "be")},
    "xenix-le": [(2048, b"\x2b\x55\x44")],
    "xenix-be": [(2048, b"\x44\x55\x2b")],
    "squashfs3-le": [(0, b"hsqs"), (28, le(3, 2))],
    "squashfs3-be": [(0, b"sqsh"), (28, be(3, 2))],
    "hpfs": [(0x2000, b"\x49\xe8\x95\xf9\xc5\xe9\x53\xfa\x02"), (0x2200, b"\x49\x18\x91\xf9")],
    "vxfs": [(1024, b"\xf5\xfc\x01\xa5")],
    "vxfs-be": [(8192, b"\xa5\x01\xfc\xf5")],
    "nss": [(4096, b"SPB5")],
    "vmfs": [(0x200000, b"\x5e\xf1\xab\x2f")],
    "vmfs-member": [(0x100000, b"\x0d\xd0\x01\xc0")],
    "isw": [(SIZE - 1024, b"Intel Raid ISM Cfg Sig. 1.3.00")],
    "lsi": [(SIZE - 512, b"$XIDE$")],
    "via": via(),
    "silicon": silicon(),
    "nvidia": nvidia(),
    **{f"promise-{sector}": [(SIZE - sector * 512, TEXT.encode())] for sector in (63, 16, 3087)},
    "hpt45x": [(SIZE - 11 * 512, le(0x5A7816F3))],
    "hpt45x-bad": [(SIZE - 11 * 512, le(0x5A7816FD))],
    "hpt37x": [(0x1220, b"\xf0\x16\x78\x5a")],
    "hpt37x-bad": [(0x1220, b"\xfd\x16\x78\x5a")],
    "adaptec": [(SIZE - 512, fields(512, (0, b"\x37\xfc\x4d\x1e"), (256, b"DPTM")))],
    "jmicron": jmicron(),
    "ddf": ddf(512),
    "ddf-257": ddf(257 * 512),
    "ufs1": [(8192 + 1372, le(0x00011954))],
    "ufs1-be": [(8192 + 1372, be(0x00011954))],
    "ufs2": [(65536 + 1372, le(0x19540119))],
    "ufs2-be": [(262144 + 1372, be(0x19540119))],
    "ufs-start": [(1372, le(0x00195612))],
    "gfs": [(65536, fields(64, (0, b"\x01\x16\x19\x70"), (24, be(1309)), (28, be(1401))))],
    "ocfs": [(8192, b"OracleCFS")],
    "oracleasm": [(32, b"ORCLDISK")],
    "hfs": [(1024, fields(512, (0, b"BD"), (20, be(4096))))],
    "hfsplus": hfs_plus(b"H+"),
    "hfsx": hfs_plus(b"HX"),
    "reiserfs35": reiserfs(b"ReIsErFs", 65536),
    "reiserfs35-old": reiserfs(b"ReIsErFs", 8192),
    "reiserfs36": reiserfs(b"ReIsEr2Fs", 65536),
    "reiserfs-journal": reiserfs(b"ReIsEr3Fs", 65536),
    "reiser4": [(65536, fields(64, (0, b"ReIsEr4"), (19, b"\x10")))],
    "lvm1": [(0, b"HM" + le(1, 2))],
    "snapshot": [(0, b"SnAp" + le(1))],
    "stratis": stratis(512),
    "stratis-second": stratis(4608),
    "integrity": [(0, b"integrt\0\x04")],
    "filevault": filevault(),
    "bitlocker-vista": [(0, b"\xeb\x52\x90-FVE-FS-")],
    "bitlocker-7": bitlocker(b"\xeb\x58\x90-FVE-FS-", 176),
    "bitlocker-togo": bitlocker(b"\xeb\x58\x90MSWIN4.1", 440),
    "befs-le": befs("<"),
    "befs-be": befs(">"),
    "zonefs": zonefs(),
    **{f"swap-old-{end >> 10}": [(end - 10, b"SWAP-SPACE")] for end in (4096, 65536)},
    **{f"suspend-{name[:2].lower()}": swap(4096, name.ljust(10, "\0").encode())
       for name in ("S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001")},
    "tuxonice": [(0, b"\xed\xc3\x02\xe9\x98\x56\xe5\x0c"), (1024, le(1) + le(100))],
    "pt-aix": [(0, b"\xc9\xc2\xd4\xc1")],
    "pt-ultrix": [(0x3FB8, b"\x57\x29\x03\x00" + le(1))],
    "pt-solaris": [(512, fields(512, (12, b"\xee\xde\x0d\x60"), (16, le(1))))],
}


ALONE = {
    "xfs": [(0, b"XFSB")], "exfs": [(0, b"EXFS")], "mpool": [(0, b"mpoolDev")], "scoutfs": [(65540, b"\x8b\x42\x3c\x10")],
    "drbdmanage": [(0, b"$DRBDmgr=q")], "fat16": [(54, b"FAT16   "), (510, b"\x55")], "fat32": [(82, b"FAT32   ")],
    "ntfs": [(3, b"NTFS    ")], "exfat": [(3, b"EXFAT   ")], "bitlocker": [(3, b"-FVE-FS-")],
    "swap": [(4086, b"SWAPSPACE2")], "hpfs": [(0x2000, b"\x49\xe8\x95\xf9")], "verity": [(0, b"verity\0\0")],
    "integrity": [(0, b"integrt\0")], "ubi": [(0, b"UBI#")], "zonefs": [(0, b"SFOZ")], "romfs": [(0, b"-rom1fs-")],
    "jfs": [(0x8000, b"JFS1"), (0x8010, b"\1")], "apfs": [(32, b"NXSB")], "erofs": [(0x400, b"\xe2\xe1\xf5\xe0")],
    "lvm2": [(536, b"LVM2 001")], "bcache": [(0x1018, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81"))],
    "befs": [(32, b"BFS1")], "stratis": [(516, b"!Stra0tis\x86\xff\x02^Arh")], "nvidia": [(SIZE - 1024, b"NVIDIA  ")],
    "minix": [(1040, b"\x7f\x13")], "reiserfs": [(0x10034, b"ReIsErFs")], "reiser4": [(65536, b"ReIsEr4")],
    "gfs": [(65536, b"\x01\x16\x19\x70")], "sgi": [(0, b"\x0b\xe5\xa9\x41")], "ddf": [(SIZE - 512, b"\xde\x11\xde\x11")],
    "udf": [(0x8001, b"BEA01")], "solaris": [(524, b"\xee\xde\x0d\x60")], "ultrix": [(0x3FB8, b"\x57\x29\x03\x00")],
    "zfs": [(16384, b"\1\1\0\0\0\0\0\0\0\0\0\1")], "md": [(4096, b"\xfc\x4e\x2b\xa9\1")],
    "silicon": [(SIZE - 416, b"\0\0\0\x2f"), (SIZE - 300, b"\1")], "lvm1": [(0, b"HM\3")],
}


def main(folder, records):
    for name, parts in records.items():
        path = f"{folder}/{name}.img"
        with open(path, "wb") as file:
            file.truncate(SIZE)
            for offset, data in parts:
                file.seek(offset)
                file.write(data)
        print(f"{name}.img")


main(sys.argv[1], RECORDS if sys.argv[2] == "all" else ALONE)
