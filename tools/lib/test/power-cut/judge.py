"""Says whether a volume that lost power holds all that its programs were told is stable.

usage: judge.py KEY=VALUE...

  STORM       the image in the cluster after the plug was pulled; SNAPS more of them, NAME:TOLD,...
  LOG, CALM   what the kernel wrote, by log-writes, and the image in the cluster when all was stable; or neither
  TOLD        the lines that load.py printed
  FILESYSTEM, SEED, POINTS (how many moments of the log are tried), DIRECTORY (for what is thrown away)
"""
import contextlib
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys

import exercises
import load
import write_log

MEGABYTE = 1 << 20


class Wrong(Exception):
    """What is not as it must be."""


def run(*words):
    result = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode:
        raise Wrong(f"{' '.join(words)}: exit status {result.returncode}: {result.stdout[-600:]}{result.stderr[-600:]}")


def told(lines):
    """The last number of each program."""
    return {who: int(number) for who, number in re.findall(r"^(\S+) (\d+)$", lines, re.MULTILINE)}


class Judge:
    """The checks of one volume."""

    def __init__(self, settings):
        self.settings = settings
        self.kind, self.directory = settings["FILESYSTEM"], settings["DIRECTORY"]
        self.mount = os.path.join(self.directory, "mounted")
        os.makedirs(self.mount, exist_ok=True)
        self.checked = 0

    def check_files(self, image, known, exact=None):
        """Mounts a copy, which recovers it as after a power cut; `exact` is a file that nobody has changed since it was stable."""
        copy = os.path.join(self.directory, "copy")
        run("cp", "--sparse=auto", image, copy)
        run("mount", "-t", self.kind, "-o", "loop,nouuid" if self.kind == "xfs" else "loop", copy, self.mount)
        try:
            for who in ("wal", "rollback"):
                if who in known:
                    self._check_rows(who, known[who])
            if exact and exact in known:
                self._check_file(exact, known[exact])
        finally:
            run("umount", self.mount)
        if self.kind == "xfs":
            run("xfs_repair", "-n", "-f", copy)
        else:
            run("e2fsck", "-fn", copy)
        os.unlink(copy)
        self.checked += 1

    def _check_rows(self, who, least):
        with contextlib.closing(sqlite3.connect(f"file:{self.mount}/{who}.db?mode=rw", uri=True)) as database:
            self._check_database(database, who, least)

    @staticmethod
    def _check_database(database, who, least):
        verdict = database.execute("pragma integrity_check").fetchall()
        if verdict != [("ok",)]:
            raise Wrong(f"{who}: SQLite says {verdict}")
        rows = database.execute("select number, bytes from rows order by number").fetchall()
        if len(rows) < least:
            raise Wrong(f"{who}: {len(rows)} rows, and the commit of {least} was acknowledged")
        for place, (number, content) in enumerate(rows, 1):
            if place != number or content != load.row(who, number):
                raise Wrong(f"{who}: row {number} at place {place} is not what was written")

    def _check_file(self, who, steps):
        exercise = exercises.FileExercise(f"{self.settings['SEED']}/{who}")
        while exercise.steps < steps:
            exercise.step()
        with open(f"{self.mount}/{who}", "rb") as file:
            if file.read() != exercise.content:
                raise Wrong(f"{who} is not what it was after step {steps}")

    def check_sectors(self, image, known):
        with open(image, "rb") as file:
            def read(offset, length):
                return os.pread(file.fileno(), length, load.FILES_BYTES + offset)

            wrong = []
            for zone in range(2 * load.ZONES):
                stable = known.get(f"sectors-{zone}", 0)
                lines = exercises.SectorExercise.wrong(int(self.settings["SEED"]), zone, stable, read)
                if lines:
                    wrong.append(f"{len(lines)} sectors of zone {zone}, write {stable} was stable: " + "; ".join(lines[:3]))
            if wrong:
                raise Wrong("\n".join(wrong))

    def check_image(self, image, known):
        self.check_sectors(image, known)
        self.check_files(image, known)


class Replay:
    """The device as the log tells it, from its beginning on."""

    def __init__(self, judge, size):
        self.judge = judge
        self.log = open(judge.settings["LOG"], "rb")
        self.entries = list(write_log.entries(self.log))
        self.image = os.path.join(judge.directory, "replayed")
        self.undiscarded = self.image + "-undiscarded"
        for path in (self.image, self.undiscarded):
            with open(path, "wb") as file:
                file.truncate(size)
        self.known = {}

    def points(self, count):
        """The moments to be tried, of each kind about as many, the same for a seed."""
        begin = next(entry.number for entry in self.entries if entry.mark == "mounted:0")
        later = self.entries[begin:]
        kinds = [
            [entry for entry in later if entry.mark.startswith("file-")],
            [entry for entry in later if entry.mark.startswith(("wal", "rollback"))],
            [entry for entry in later if entry.is_stable()],
            [entry for entry in later if not entry.mark],
        ]
        choice, points = random.Random(self.judge.settings["SEED"]), set()
        for entries in kinds:
            wanted = min(len(entries), max(1, count // len(kinds)))
            points |= {entry.number for entry in choice.sample(entries, wanted)}
        return points

    def run(self, points, calm):
        """Goes through the log, and checks the device at those moments and when all is calm."""
        image, undiscarded = (os.open(path, os.O_RDWR) for path in (self.image, self.undiscarded))
        is_calm = False
        for entry in self.entries:
            write_log.apply(entry, self.log, image)
            if not is_calm and not entry.flags & write_log.DISCARD:
                write_log.apply(entry, self.log, undiscarded)
            who, _, number = entry.mark.partition(":")
            if number:
                self.known[who] = int(number)
            if entry.mark == "calm:0":
                is_calm = True
                self.compare(calm)
            if entry.number in points:
                try:
                    self.judge.check_files(self.image, self.known, who if who.startswith("file-") else None)
                except (Wrong, sqlite3.Error, OSError) as e:
                    raise Wrong(f"replayed up to entry {entry.number} of {len(self.entries)} {entry.mark}: {e}") from e
        os.close(image)
        os.close(undiscarded)
        if not is_calm:
            raise Wrong("the log does not have the mark of the calm")

    def compare(self, calm):
        """The cluster has exactly what the kernel was told is stable; what was discarded may be as before.

        Of the file system's part. The zones have their stamps, which need no log: in one run two sectors of a zone differed from
        the log, and nobody knows whether log or image had the earlier write.
        """
        wrong = []
        with open(calm, "rb") as found, open(self.image, "rb") as replayed, open(self.undiscarded, "rb") as kept:
            for begin in range(0, load.FILES_BYTES, MEGABYTE):
                chunk, first, second = found.read(MEGABYTE), replayed.read(MEGABYTE), kept.read(MEGABYTE)
                if chunk in (first, second):
                    continue
                for at in range(0, len(chunk), exercises.SECTOR):
                    sector = slice(at, at + exercises.SECTOR)
                    if chunk[sector] not in (first[sector], second[sector]):
                        wrong.append((begin + at) // exercises.SECTOR)
        if wrong:
            raise Wrong(f"{len(wrong)} sectors in the cluster differ from what the kernel wrote: {wrong[:12]}")


def main():
    settings = dict(word.split("=", 1) for word in sys.argv[1:])
    judge = Judge(settings)
    with open(settings["TOLD"], encoding="utf-8") as file:
        lines = file.read()
    known = told(lines[:lines.rfind("\n") + 1])
    logged, words = {}, ""
    if "LOG" in settings:
        replay = Replay(judge, os.path.getsize(settings["CALM"]))
        flushes = sum(entry.is_stable() for entry in replay.entries)
        if not flushes:
            raise Wrong("the kernel never asked for anything to be stable: the device hides that it writes late")
        judge.check_sectors(settings["CALM"], {f"sectors-{zone}": known.get(f"sectors-{zone}", 0) for zone in range(load.ZONES)})
        replay.run(replay.points(int(settings["POINTS"])), settings["CALM"])
        logged, words = replay.known, f"{len(replay.entries)} entries with {flushes} flushes, "
    for snapshot in filter(None, settings.get("SNAPS", "").split(",")):
        path, lines_then = snapshot.split(":")
        judge.check_image(path, told("\n".join(lines.split("\n")[:int(lines_then)]) + "\n"))
    # What the log says is stable was so, whether or not we were told.
    judge.check_image(settings["STORM"], {who: max(known.get(who, 0), logged.get(who, 0))
                                         for who in known.keys() | logged.keys()})
    killed = [len(re.findall(f"^# killed the {who}$", lines, re.MULTILINE)) for who in ("server", "keeper")]
    print(f"{killed[0]} servers and {killed[1]} keepers killed, {words}"
          f"{judge.checked} file systems checked, stable: {dict(sorted(known.items()))}")
    shutil.rmtree(judge.directory, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"power-cut: {wrong}")
