"""Runs in a guest, as its process 1: does what `kernel-lab exec` asks for over TCP, and collects orphans.

A request is one line of JSON: argv, env, cwd. The answer is frames: a byte (1 stdout, 2 stderr, 3 exit status, 4 not
started), a length of four bytes, and so many bytes. When the caller goes away its command's group is killed.
"""
import json
import os
import select
import signal
import socket
import struct
import sys

PORT = 77


def frame(connection, kind, data):
    connection.sendall(struct.pack(">BI", kind, len(data)) + data)


def start(request, pipes):
    """The child: becomes the command, or says why not through stderr and 127."""
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.dup2(os.open("/dev/null", os.O_RDWR), 0)
        os.dup2(pipes[0], 1)
        os.dup2(pipes[1], 2)
        os.closerange(3, 256)
        os.chdir(request["cwd"])
        os.execvpe(request["argv"][0], request["argv"], request["env"])
    except OSError as e:
        os.write(2, f"kernel-lab: cannot run {request['argv'][0]} in the guest: {e.strerror}\n".encode())
    finally:
        os._exit(127)


def serve(connection):
    """One request, in a process of its own."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line = connection.makefile("rb").readline()
    if not line:
        return
    request = json.loads(line)
    out, err = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        start(request, (out[1], err[1]))
    os.close(out[1])
    os.close(err[1])
    ended = os.pidfd_open(pid)
    poll = select.poll()
    kinds = {out[0]: 1, err[0]: 2}
    for descriptor in (*kinds, ended, connection.fileno()):
        poll.register(descriptor, select.POLLIN | select.POLLRDHUP)
    status = None
    while status is None or kinds:
        # What the command left running may keep its stdout open for ever; the status does not wait for that.
        events = poll.poll(None if status is None else 200)
        if not events:
            break
        for descriptor, _ in events:
            if descriptor in kinds:
                data = os.read(descriptor, 65536)
                if data:
                    frame(connection, kinds[descriptor], data)
                else:
                    poll.unregister(descriptor)
                    del kinds[descriptor]
            elif descriptor == ended:
                poll.unregister(ended)
                _, status = os.waitpid(pid, 0)
            else:
                os.killpg(pid, signal.SIGKILL)
                return
    code = os.waitstatus_to_exitcode(status)
    frame(connection, 3, str(code if code >= 0 else 128 - code).encode())


def main():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((sys.argv[1], PORT))
    server.listen(16)
    print("kernel-lab: guest is up", flush=True)
    while True:
        # Orphans are ours to collect, and so are our own workers.
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        if not select.select([server], [], [], 0.5)[0]:
            continue
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            try:
                serve(connection)
            except (OSError, ValueError) as e:
                print(f"kernel-lab: {e}", flush=True)
            os._exit(0)
        connection.close()


main()
