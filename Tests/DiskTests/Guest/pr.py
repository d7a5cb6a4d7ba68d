"""Registers and reserves by the kernel's own ioctls: pr.py DEVICE register|reserve|release|clear KEY [TYPE]."""
import fcntl
import os
import struct
import sys

# <linux/pr.h>: IOC_PR_REGISTER 200, IOC_PR_RESERVE 201, IOC_PR_RELEASE 202, IOC_PR_CLEAR 205
device, deed, key = sys.argv[1], sys.argv[2], int(sys.argv[3], 0)
kind = int(sys.argv[4]) if len(sys.argv) > 4 else 0


def call(number, argument):
    fd = os.open(device, os.O_RDWR)
    fcntl.ioctl(fd, 1 << 30 | len(argument) << 16 | ord("p") << 8 | number, argument)


if deed == "register":
    call(200, struct.pack("QQII", 0, key, 0, 0))
elif deed == "clear":
    call(205, struct.pack("QII", key, 0, 0))
else:
    call({"reserve": 201, "release": 202}[deed], struct.pack("QII", key, kind, 0))
