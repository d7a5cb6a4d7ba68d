"""`down`: ends the daemons and removes the files."""
import contextlib
import glob
import os
import shutil
import time

import daemons
import ports
from layout import LOCK, MARKER, Failure, Gone, read_text


def mounts_below(directory):
    found = []
    for line in (read_text("/proc/self/mountinfo") or "").splitlines():
        # mountinfo writes blanks and the like as \040
        point = line.split()[4].encode().decode("unicode_escape")
        if point.startswith(directory + "/"):
            found.append(point)
    return found


def loops_below(directory):
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        if (read_text(path) or "").startswith(directory + "/"):
            found.append("/dev/" + path.split("/")[3])
    return found


def check_unused(cluster):
    """We make neither mounts nor loop devices, but a test may have; deleting through a mount is never right."""
    for things, undo in ((mounts_below(cluster.dir), "umount"), (loops_below(cluster.dir), "losetup -d")):
        if things:
            raise Failure(f"cannot remove {cluster.dir}: {', '.join(things)} lies on it;"
                          f" run `{undo} {' '.join(things)}`, then `down` again")


def remove_contents(cluster):
    """Ends what runs, gives the ports back, removes all but the lock; the marker goes
    last, so that a `down` that is cut short can be run again."""
    daemons.kill(cluster, daemons.recorded(cluster))
    check_unused(cluster)
    ports.release_block(cluster)
    for name in os.listdir(cluster.dir):
        if name in (LOCK, MARKER):
            continue
        path = cluster.path(name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    os.unlink(cluster.path(MARKER))


def down(cluster, keep, quiet):
    try:
        text = take_down(cluster, keep, time.monotonic())
    except Gone:
        text = f"nothing to take down: {cluster.dir} was removed just now"
    if not quiet:
        print(text)


def take_down(cluster, keep, begin):
    if not os.path.isdir(cluster.dir):
        return f"nothing to take down: {cluster.dir} does not exist"
    if not cluster.load():
        if set(os.listdir(cluster.dir)) - {LOCK}:
            raise Failure(f"cannot take down {cluster.dir}: it is not a micro-cluster (no {MARKER});"
                          " nothing was touched")
        return f"nothing to take down: {cluster.dir} is empty"
    with cluster.locked():
        if not cluster.load():
            return f"nothing to take down: {cluster.dir} is empty"
        if keep:
            daemons.kill(cluster, daemons.recorded(cluster))
            return f"down in {time.monotonic() - begin:.2f} s; files kept in {cluster.dir}"
        remove_contents(cluster)
        os.unlink(cluster.path(LOCK))
        with contextlib.suppress(OSError):  # a mount point, or a file that someone put there just now
            os.rmdir(cluster.dir)
    return f"down in {time.monotonic() - begin:.2f} s"
