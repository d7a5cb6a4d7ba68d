"""The caller's end of agent.py: one TCP connection a command."""
import contextlib
import json
import os
import socket
import struct

from lab import Failure

PORT = 77  # agent.py has it too: it imports nothing of ours.


def answers(address):
    """Whether an agent listens there."""
    try:
        socket.create_connection((address, PORT), timeout=0.3).close()
        return True
    except OSError:
        return False


def run(address, argv, environment, cwd, is_alive, write):
    """Runs a command, gives write(1 or 2, bytes) what it says, and returns its exit status."""
    connection = socket.create_connection((address, PORT), timeout=10)
    request = {"argv": argv, "env": environment, "cwd": cwd}
    connection.sendall(json.dumps(request).encode() + b"\n")
    received = b""
    connection.settimeout(1)
    while True:
        try:
            data = connection.recv(1 << 16)
        except TimeoutError:
            # A guest that was killed says no farewell.
            if is_alive():
                continue
            data = b""
        except ConnectionError:
            data = b""
        if not data:
            raise Failure("the guest ended before its command did", 70)
        received += data
        while len(received) >= 5:
            kind, length = struct.unpack(">BI", received[:5])
            if len(received) < 5 + length:
                break
            body, received = received[5:5 + length], received[5 + length:]
            if kind == 3:
                connection.close()
                return int(body)
            write(kind, body)


def pass_through(descriptor, data):
    """What a single guest says, as it comes."""
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[os.write(descriptor, data):]


class Prefixed:
    """What one of several guests says, line by line after its name."""

    def __init__(self, name):
        self.name = name
        self.begun = {1: b"", 2: b""}

    def __call__(self, descriptor, data):
        *lines, self.begun[descriptor] = (self.begun[descriptor] + data).split(b"\n")
        for line in lines:
            pass_through(descriptor, f"{self.name}| ".encode() + line + b"\n")

    def end(self):
        for descriptor in (1, 2):
            if self.begun[descriptor]:
                self(descriptor, b"\n")
