"""Port blocks: each cluster owns one, so that several run side by side.

A block is owned for as long as its cluster's directory exists, not only while
daemons listen: the monitor's port is fixed in the monmap, and a monitor that a
test has stopped must find its port free when it starts again.
"""
import contextlib
import errno
import fcntl
import os
import socket

from layout import MARKERS, Cluster, Failure, read_text, same_file

UNIT = 100
# Below Linux's range for outgoing connections (32768 up), whose sockets would
# make a bind fail now and then, and below Kubernetes' node ports (30000 up).
FIRST, LAST = 21000, 29999


def block_size(osds):
    """mon: 2 ports; mgr: 2; an osd: 8, and again 8 when it comes back after it was marked down."""
    return -(-(20 + 16 * osds) // UNIT) * UNIT


def _registry():
    return f"/tmp/nacre-micro-cluster-{os.getuid()}"


def _entry(port):
    # Two network namespaces have all their ports apart.
    return os.path.join(_registry(), f"{os.stat('/proc/self/ns/net').st_ino}.{port // UNIT}")


def _open_registry():
    path = _registry()
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    st = os.lstat(path)
    if st.st_uid != os.getuid() or not os.path.isdir(path) or os.path.islink(path):
        raise Failure(f"cannot reserve ports: {path} is not a directory of uid {os.getuid()}; remove it")


@contextlib.contextmanager
def _locked_entry(port):
    """The file that records who owns the unit of port, locked."""
    while True:
        _open_registry()
        try:
            fd = os.open(_entry(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # another cluster's `down` removed the empty registry just now
        fcntl.flock(fd, fcntl.LOCK_EX)
        if same_file(fd, _entry(port)):
            break
        os.close(fd)
    try:
        yield fd
    finally:
        os.close(fd)


def _owner(fd):
    """The directory of the cluster that owns a unit, or None if its cluster is gone."""
    directory = os.pread(fd, 4096, 0).decode("utf-8", "replace").strip()
    return directory if directory and any(os.path.exists(os.path.join(directory, m)) for m in MARKERS) else None


def listening():
    """Local TCP ports with a listener, in this network namespace."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (read_text(table) or "").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def _units(port, size):
    return range(port // UNIT * UNIT, port + size, UNIT)


def _claim(directory, port, size):
    """Takes the block at port for directory; the reason why not, or None when it is taken."""
    taken = []
    why = None
    for unit in _units(port, size):
        with _locked_entry(unit) as fd:
            owner = _owner(fd)
            if owner and owner != directory:
                why = f"the cluster in {owner} owns ports {unit} to {unit + UNIT - 1}"
                break
            os.ftruncate(fd, 0)
            os.pwrite(fd, directory.encode(), 0)
            taken.append(unit)
    if why is None:
        # After the claim: whoever else looks now sees us as the owner.
        busy = sorted(p for p in listening() if port <= p < port + size)
        if busy:
            why = f"something listens on port {busy[0]}"
    if why:
        release(directory, taken)
    return why


def choose(cluster, osds, port=None):
    """Reserves a block for the cluster, whose marker file must exist: (first port, size)."""
    size = block_size(osds)
    if port is not None:
        why = _claim(cluster.dir, port, size)
        if why:
            raise Failure(f"cannot use ports {port} to {port + size - 1}: {why};"
                          " pick another --port or leave it out")
        return port, size
    for candidate in range(FIRST, LAST + 2 - size, UNIT):
        if _claim(cluster.dir, candidate, size) is None:
            return candidate, size
    raise Failure(f"cannot find {size} free ports from {FIRST} to {LAST}; end other clusters"
                  f" (their directories stand in {_registry()}/*) or give --port")


def release(directory, units):
    for unit in units:
        with _locked_entry(unit) as fd:
            # An empty entry is nobody's: looking for ours may just have made it.
            if os.pread(fd, 4096, 0).decode("utf-8", "replace").strip() in (directory, ""):
                os.unlink(_entry(unit))
    with contextlib.suppress(OSError):
        os.rmdir(_registry())


def release_block(cluster: Cluster):
    """Gives the cluster's block back. From another namespace the entry has another name:
    that one goes stale with the directory, and whoever wants it next takes it."""
    if "port" in cluster.state:
        release(cluster.dir, _units(cluster.state["port"], cluster.state["ports"]))


def check_address(addr):
    """Fails unless a socket can listen on addr here and be reached."""
    try:
        packed = socket.inet_pton(socket.AF_INET, addr)
    except OSError:
        packed = None
    if packed is None or addr == "0.0.0.0":
        raise Failure(f"cannot use --addr {addr}: it is not an IPv4 address of this host", 64)
    with socket.socket() as server, socket.socket() as client:
        client.settimeout(2)
        try:
            server.bind((addr, 0))
            server.listen(1)
            client.connect(server.getsockname())
        except OSError as e:
            why = "no answer" if isinstance(e, TimeoutError) else os.strerror(e.errno or errno.EIO).lower()
            raise Failure(f"cannot listen on {addr}: {why}; give this network namespace the address"
                          " and set its loopback up: `ip link set lo up`") from None
