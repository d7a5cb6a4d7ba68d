"""What is written to a volume that loses power, each told by its seed, so that a judge elsewhere knows what must be there.

A file is changed in all ways that there are and compared with a copy in memory, as fsx does, which Debian does not have. Sectors of a
raw device say which write they are from.
"""
import ctypes
import mmap
import os
import random
import struct

SECTOR = 512
_libc = ctypes.CDLL(None, use_errno=True)
_PUNCH, _COLLAPSE, _ZERO, _INSERT = 0x02 | 0x01, 0x08, 0x10, 0x20


class FileExercise:
    """One file and its changes; without a path, only the copy in memory."""

    LONGEST, PAGE = 256 << 10, 4096
    KINDS = ("write", "write", "map", "truncate", "punch", "zero", "collapse", "insert", "copy", "read", "read", "sync")

    def __init__(self, seed, path=None):
        self._random = random.Random(seed)
        self.content = bytearray()
        self.steps = 0
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def step(self):
        """Makes the next change, and returns whether it was one that makes all before it stable."""
        self.steps += 1
        choice = self._random
        kind, length = choice.choice(self.KINDS), choice.randrange(1, 48 << 10)
        offset = choice.randrange(self.LONGEST - length)
        if kind in ("collapse", "insert"):
            offset, length = offset & -self.PAGE, (length + self.PAGE) & -self.PAGE
        size, content, real = len(self.content), self.content, self._file
        if kind in ("write", "map"):
            data = choice.randbytes(length)
            self._grow(offset + length)
            content[offset:offset + length] = data
            if real is not None:
                self._write(data, offset, kind == "map", size)
        elif kind == "truncate":
            del content[offset:]
            self._grow(offset)
            if real is not None:
                os.ftruncate(real, offset)
        elif kind in ("punch", "zero"):
            if kind == "zero":
                self._grow(offset + length)
            end = min(offset + length, len(content))
            if offset < end:
                content[offset:end] = bytes(end - offset)
            self._allocate(_PUNCH if kind == "punch" else _ZERO, offset, length)
        elif kind == "collapse" and offset + length < size:
            del content[offset:offset + length]
            self._allocate(_COLLAPSE, offset, length)
        elif kind == "insert" and offset < size and size + length <= self.LONGEST:
            content[offset:offset] = bytes(length)
            self._allocate(_INSERT, offset, length)
        elif kind == "copy" and 2 * length < size:
            source = choice.randrange(size - 2 * length)
            content[source + length:source + 2 * length] = content[source:source + length]
            if real is not None:
                self._copy(source, source + length, length)
        elif kind == "read" and real is not None:
            self._compare(offset, length)
        elif kind == "sync" and real is not None:
            (os.fsync if length & 1 else os.fdatasync)(real)
        return kind == "sync"

    def _grow(self, size):
        self.content.extend(bytes(max(0, size - len(self.content))))

    def _write(self, data, offset, is_mapped, size):
        if not is_mapped:
            while data:
                count = os.pwrite(self._file, data, offset)
                data, offset = data[count:], offset + count
            return
        if offset + len(data) > size:
            os.ftruncate(self._file, offset + len(data))
        begin = offset & -self.PAGE
        with mmap.mmap(self._file, offset + len(data) - begin, offset=begin) as place:
            place[offset - begin:] = data

    def _allocate(self, mode, offset, length):
        if self._file is None:
            return
        if _libc.fallocate(self._file, mode, ctypes.c_long(offset), ctypes.c_long(length)):
            number = ctypes.get_errno()
            raise OSError(number, f"fallocate {mode:#x} {offset} {length}: {os.strerror(number)}")

    def _copy(self, source, target, length):
        while length:
            count = os.copy_file_range(self._file, self._file, length, source, target)
            source, target, length = source + count, target + count, length - count

    def _compare(self, offset, length):
        found, wanted = os.pread(self._file, length, offset), self.content[offset:offset + length]
        if found != wanted:
            at = next((i for i, pair in enumerate(zip(found, wanted)) if pair[0] != pair[1]), min(len(found), len(wanted)))
            raise ValueError(f"step {self.steps}: the file differs from what was written, from byte {offset + at} on")


class SectorExercise:
    """Writes and discards in one zone of a raw device, numbered from 1."""

    ZONE = 1 << 20
    # After so many writes at most it asks for them to be stable.
    UNTOLD = 40
    _STAMP = struct.Struct("<8sIIQQ")

    def __init__(self, seed, zone):
        self._random = random.Random(seed * 1000 + zone)
        self.zone, self.number = zone, 0

    def next(self):
        """What to do (write, discard), at which byte of the device, and for how many bytes."""
        self.number += 1
        choice = self._random
        kind = "discard" if choice.random() < 0.04 else "write"
        length = choice.choice((1, 1, 2, 8, 8, 8, 16, 16, 32, 128)) * SECTOR
        # Some follow the last one at once, as those of a log do; these are what a server joins.
        if choice.random() < 0.4 and getattr(self, "_end", self.ZONE) + length <= self.ZONE:
            offset = self._end
        else:
            offset = choice.randrange((self.ZONE - length) // SECTOR + 1) * SECTOR
        self._end = offset + length
        return kind, self.zone * self.ZONE + offset, length

    def data(self, offset, length):
        """The bytes of the current write: each sector says where it belongs and which write it is from."""
        return b"".join(self._sector(place, self.number) for place in range(offset, offset + length, SECTOR))

    def _sector(self, place, number):
        return self._STAMP.pack(b"nacre/pc", self.zone, place // SECTOR, number, ~number & (1 << 64) - 1) * (SECTOR // 32)

    def number_of(self, sector, place):
        """Which write a sector of the device is from; 0 if it is zeros, None if it is no write's."""
        if not any(sector):
            return 0
        number = self._STAMP.unpack_from(sector)[3]
        return number if sector == self._sector(place, number) else None

    @classmethod
    def wrong(cls, seed, zone, stable, read):
        """The sectors of a zone that hold neither what was stable nor what was written after it, as lines for a reader.

        `read` gives the device's bytes at an offset. Of what was discarded and not written since, nothing says whether it is zeros.
        """
        exercise, may_hold = cls(seed, zone), {}
        first = zone * cls.ZONE // SECTOR
        # Another time may have been stable of which we were not told any more.
        while exercise.number < stable + 2 * cls.UNTOLD:
            kind, offset, length = exercise.next()
            for sector in range(offset // SECTOR, (offset + length) // SECTOR):
                earlier = may_hold.get(sector, {0})
                if kind == "discard":
                    may_hold[sector] = earlier | {0}
                elif exercise.number <= stable:
                    may_hold[sector] = {exercise.number}
                else:
                    may_hold[sector] = earlier | {exercise.number}
        content, lines = read(zone * cls.ZONE, cls.ZONE), []
        for sector in range(first, first + cls.ZONE // SECTOR):
            at = (sector - first) * SECTOR
            number = exercise.number_of(content[at:at + SECTOR], sector * SECTOR)
            wanted = may_hold.get(sector, {0})
            if number not in wanted:
                lines.append(f"sector {sector} of zone {zone} holds write {number}, and may hold {sorted(wanted)}")
        return lines
