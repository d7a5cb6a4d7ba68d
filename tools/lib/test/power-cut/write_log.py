"""A log of device-mapper's target log-writes: what a kernel wrote to a device, and when it was told that it is stable.

Sectors are of the size that the log's first sector tells. Each entry is a sector with its header, then its data. The kernel logs a
write once the device has stabilised it: with the flush that followed, or at once where the write asked for that itself.

See: Documentation/admin-guide/device-mapper/log-writes.rst, include/uapi/linux/dm-ioctl.h
"""
import ctypes
import dataclasses
import fcntl
import os
import struct

FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
MAGIC = 0x6A736677736872
VERSION = 1

_libc = ctypes.CDLL(None, use_errno=True)
_PUNCH_HOLE = 0x02 | 0x01
_TARGET_MESSAGE = 3 << 30 | 312 << 16 | 0xFD << 8 | 14


class Marker:
    """Writes marks into the log of a mapped device; a program for each would take longer than what it marks."""

    def __init__(self, name):
        self._name = name.encode()
        self._control = os.open("/dev/mapper/control", os.O_RDWR)

    def mark(self, text):
        message = struct.pack("<Q", 0) + f"mark {text}".encode() + b"\0"
        size = 312 + len(message)
        header = struct.pack("<3I7IQ128s129s7x", 4, 0, 0, size, 312, 0, 0, 0, 0, 0, 0, self._name, b"")
        fcntl.ioctl(self._control, _TARGET_MESSAGE, bytearray(header + message))


@dataclasses.dataclass
class Entry:
    """One entry; `place` is where its data is in the log, all in bytes."""
    number: int
    offset: int
    length: int
    flags: int
    place: int
    mark: str = ""

    def is_stable(self):
        """Whether all before it is stable, too."""
        return bool(self.flags & (FLUSH | FUA))


def entries(file):
    """Those that the log is known to have; it is read while nobody writes to it."""
    file.seek(0)
    magic, version, count, size = struct.unpack("<QQQI", file.read(28))
    if magic != MAGIC or version != VERSION:
        raise ValueError(f"it is no log of writes: it begins with {magic:x}, version {version}")
    place = size
    for number in range(count):
        file.seek(place)
        header = file.read(size)
        sector, sectors, flags, length = struct.unpack_from("<QQQQ", header)
        entry = Entry(number, sector * size, sectors * size, flags, place + size)
        if flags & MARK:
            entry.mark = header[32:32 + length].decode().rstrip("\0")
        place += size
        if not flags & DISCARD:
            place += entry.length
        yield entry


def apply(entry, log, image):
    """Does to a file what the kernel did to the device."""
    if entry.flags & DISCARD:
        if _libc.fallocate(image, _PUNCH_HOLE, ctypes.c_long(entry.offset), ctypes.c_long(entry.length)):
            raise OSError(ctypes.get_errno(), "cannot punch a hole")
    elif entry.length:
        data = os.pread(log.fileno(), entry.length, entry.place)
        if len(data) != entry.length:
            raise ValueError(f"entry {entry.number} ends with the log, at {entry.place}")
        os.pwrite(image, data, entry.offset)
