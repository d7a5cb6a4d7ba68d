"""Runs in a guest: programs write to a mapped device through log-writes, and its image server is killed when they were told that
what they wrote is stable.

usage: load.py make|calm|storm DEVICE=… FILESYSTEM=… SEED=… DIRECTORY=… SECONDS=… [LOGDEVICE=…] [RECORD=…]

  make    makes FILESYSTEM on DEVICE; with a LOGDEVICE it puts log-writes between the two
  calm    lets the programs run for SECONDS, ends them, and waits until all is stable
  storm   lets them run until somebody pulls the plug, at most for SECONDS

Each line that it prints is something that was stable before it was printed: WHO NUMBER. The same stands in the log, if there is one,
as the mark WHO:NUMBER. A line that begins with # is for a reader. RECORD is the image server's record; without one nobody is killed.
"""
import fcntl
import hashlib
import json
import mmap
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import exercises
import write_log

LOG, FILES = "power-log", "power-files"
# How much of the device is used: a file system, and behind it the zones of two phases. It may be larger, and grow.
BYTES = 336 << 20
ZONES = 4
FILES_BYTES = BYTES - 2 * ZONES * exercises.SectorExercise.ZONE
BLKDISCARD = 0x1277


def run(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def say(text):
    os.write(1, f"{text}\n".encode())


class Volume:
    """The device that programs write to, through log-writes or not."""

    def __init__(self, settings):
        self.device, self.log_device = settings["DEVICE"], settings.get("LOGDEVICE")
        self.kind, self.size = settings["FILESYSTEM"], BYTES
        self.top = f"/dev/mapper/{LOG}" if self.log_device else self.device
        self.files = f"/dev/mapper/{FILES}" if self.log_device else self.device
        self.sectors_begin = FILES_BYTES

    def make(self):
        if self.log_device:
            run("dmsetup", "create", LOG, "--table", f"0 {self.size // 512} log-writes {self.device} {self.log_device}")
            run("dmsetup", "create", FILES, "--table", f"0 {self.sectors_begin // 512} linear {self.top} 0")
        megabytes = self.sectors_begin >> 20
        if self.kind == "xfs":
            run("mkfs.xfs", "-q", "-K", "-d", f"size={megabytes}m", self.files)
        else:
            run("mkfs.ext4", "-q", "-E", "nodiscard", self.files, f"{megabytes}M")

    def settle(self, mark):
        """All that was written is stable, and so stands in the log."""
        device = os.open(self.top, os.O_RDWR)
        os.fsync(device)
        os.close(device)
        self.mark(f"{mark}:0")

    def mark(self, text):
        if self.log_device:
            write_log.Marker(LOG).mark(text)


class Killer:
    """Kills the image server, or its keeper, at some of the moments in which a program is told that its data is stable."""

    def __init__(self, settings):
        self._record, self._pause = settings.get("RECORD"), float(settings.get("PAUSE", "2.5"))
        self._note = os.open(os.path.join(settings["DIRECTORY"], "last-kill"), os.O_RDWR | os.O_CREAT)
        self._random = random.Random(os.getpid() + time.time_ns())

    def maybe(self):
        if not self._record or self._random.random() < 0.7:
            return
        try:
            fcntl.flock(self._note, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            last, served = (os.pread(self._note, 64, 0).decode().split() + ["0", "0"])[:2]
            with open(self._record, encoding="utf-8") as file:
                record = json.load(file)
            server, keeper = record["process"]["pid"], (record.get("keeper") or {}).get("pid")
            # One after the other: with both of them gone at once nobody is left who starts a new one.
            if time.monotonic() - float(last) < self._pause or not keeper or server in (keeper, int(served)):
                return
            victim = keeper if self._random.random() < 0.2 else server
            os.kill(victim, signal.SIGKILL)
            os.pwrite(self._note, f"{time.monotonic():020.3f} {victim if victim == server else 0:10d}".encode(), 0)
            say(f"# killed the {'server' if victim == server else 'keeper'}")
        except (OSError, ValueError, KeyError):
            # The record is being replaced, or the process has just ended.
            pass
        finally:
            fcntl.flock(self._note, fcntl.LOCK_UN)


class Program:
    """What all of them do: tell what is stable, and stop when they are asked to."""

    def __init__(self, settings, who):
        self.settings, self.who = settings, who
        self.mount = mount_point(settings)
        self._marker = write_log.Marker(LOG) if settings.get("LOGDEVICE") else None
        self._killer = Killer(settings)

    def stable(self, number):
        if self._marker:
            self._marker.mark(f"{self.who}:{number}")
        say(f"{self.who} {number}")
        self._killer.maybe()


def mount_point(settings):
    return os.path.join(settings["DIRECTORY"], "volume")


def row(who, number):
    """A row's bytes: up to a few pages."""
    return hashlib.sha256(f"{who} {number}".encode()).digest() * (1 + number * 37 % 300)


def open_database(path, who):
    """SQLite, which waits until a commit is stable."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"pragma journal_mode={'wal' if who == 'wal' else 'delete'}")
    # Otherwise the deletion of the journal, which is the commit, is not made stable.
    database.execute("pragma synchronous=extra")
    database.execute("pragma wal_autocheckpoint=60")
    database.execute("create table if not exists rows (number integer primary key, bytes blob)")
    return database


def write_rows(settings, who, ending):
    program = Program(settings, who)
    database = open_database(f"{program.mount}/{who}.db", who)
    number = database.execute("select ifnull(max(number), 0) from rows").fetchone()[0]
    program.stable(number)
    while not ending.is_set():
        number += 1
        database.execute("begin immediate")
        database.execute("insert into rows values (?, ?)", (number, row(who, number)))
        # Some old rows grow and shrink, so that pages in the middle of the file change.
        if number > 8:
            database.execute("update rows set bytes = bytes where number = ?", (number // 2,))
        database.execute("commit")
        program.stable(number)
    database.close()


def change_file(settings, who, ending):
    program = Program(settings, who)
    exercise = exercises.FileExercise(f"{settings['SEED']}/{who}", f"{program.mount}/{who}")
    directory = os.open(program.mount, os.O_RDONLY)
    os.fsync(directory)
    while not ending.is_set():
        if exercise.step():
            program.stable(exercise.steps)


def write_sectors(settings, who, zone, ending):
    program = Program(settings, f"{who}-{zone}")
    exercise = exercises.SectorExercise(int(settings["SEED"]), zone)
    volume = Volume(settings)
    device = os.open(volume.top, os.O_RDWR | os.O_DIRECT)
    buffer = mmap.mmap(-1, 1 << 20)
    choice, told = random.Random(zone), 0
    while not ending.is_set():
        kind, offset, length = exercise.next()
        place, flags = volume.sectors_begin + offset, 0
        if kind == "discard":
            fcntl.ioctl(device, BLKDISCARD, place.to_bytes(8, "little") + length.to_bytes(8, "little"))
        else:
            buffer[:length] = exercise.data(offset, length)
            if choice.random() < 0.05:
                flags = os.RWF_DSYNC
                # log-writes logs such a write before earlier ones that wait for a flush, also if those are older versions of it.
                os.fdatasync(device)
            with memoryview(buffer)[:length] as data:
                if os.pwritev(device, [data], place, flags) != length:
                    raise OSError(f"a short write at {offset}")
        if not flags and (choice.random() < 0.05 or exercise.number - told >= exercise.UNTOLD):
            os.fdatasync(device)
        elif not flags:
            # Others have their turn, and the log remains small.
            time.sleep(choice.random() * 0.01)
            continue
        told = exercise.number
        program.stable(told)
    os.fdatasync(device)
    program.stable(exercise.number)


def sectors(settings, who, first, ending):
    """Threads of one process: all of them wait for the device most of the time."""
    failures = []

    def work(zone):
        try:
            write_sectors(settings, who, zone, ending)
        except Exception as e:  # whatever it is, the run has failed
            failures.append(f"zone {zone}: {e}")
            ending.set()

    threads = [threading.Thread(target=work, args=(zone,)) for zone in range(first, first + ZONES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise OSError("; ".join(failures))


def trim(settings, _, ending):
    while not ending.wait(1.7):
        run("fstrim", mount_point(settings))


def work(settings, phase):
    volume, mount = Volume(settings), mount_point(settings)
    os.makedirs(mount, exist_ok=True)
    run("mount", "-t", volume.kind, volume.files, mount)
    volume.mark("mounted:0")
    ending = multiprocessing.Event()
    jobs = [
        (write_rows, settings, "wal"), (write_rows, settings, "rollback"), (change_file, settings, f"file-{phase}"),
        (sectors, settings, "sectors", 0 if phase == "calm" else ZONES), (trim, settings, ""),
    ]
    processes = [multiprocessing.Process(target=job, args=(*words, ending)) for job, *words in jobs]
    for process in processes:
        process.start()
    until = time.monotonic() + float(settings["SECONDS"])
    while time.monotonic() < until and all(process.is_alive() for process in processes):
        time.sleep(0.1)
    ending.set()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a program has failed; what it says is above")
    run("umount", mount)
    volume.settle(phase)
    say(f"# {phase} is over")


def main():
    phase, settings = sys.argv[1], dict(word.split("=", 1) for word in sys.argv[2:])
    if phase == "make":
        volume = Volume(settings)
        volume.make()
        volume.settle("made")
    else:
        work(settings, phase)


if __name__ == "__main__":
    main()
