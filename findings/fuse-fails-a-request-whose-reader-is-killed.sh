#!/bin/bash
# A FUSE request whose server is killed while the kernel copies it fails with EIO, although another process has the connection.
#
# Versions: Linux 6.18 (seen on 30 Nov 2026); the code has been so since the beginning of FUSE. FUSE_NOTIFY_RESEND is of 6.9.
# Expected: a server that dies before it has a request costs nothing: the request goes to whoever reads next, or is sent again by
#   FUSE_NOTIFY_RESEND, as one is that a dead server had read and not answered.
# Seen: read(2) of /dev/fuse copies the request to the reader's buffer. If a page of it is not there, the kernel faults it in, and
#   that ends at once when the reader has a fatal signal. The copy has failed, so fuse_dev_do_read() ends the request with EIO;
#   nothing is left to send again. With a buffer that was touched before nothing is lost.
# Why it matters: a file system or database above sees an I/O error (ext4 may then go read-only), so a takeover between two servers
#   is not free of errors. Nacre's servers touch their buffers before they read (Sources/ImageServing/Fuse/FuseSession.swift).
# Needs root, /dev/fuse, gcc and userfaultfd. Exit status: 0 as before, 1 changed, 77 something is missing.

command -v gcc > /dev/null || { echo "needs gcc"; exit 77; }
dir=$(mktemp -d)
trap 'umount -l "$dir"/mnt 2> /dev/null; rm -rf --one-file-system -- "$dir"' EXIT
mkdir "$dir/mnt"
cat > "$dir/servers.c" << 'END'
// servers DIR [touch]: one server is killed in read(2), the next one goes on; prints what the writer is told.
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 1 << 20 };
static int connection;
static char buffer[SIZE];

static struct fuse_attr attributes(unsigned long node) {
    return (struct fuse_attr){.ino = node, .nlink = 1, .size = SIZE, .mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0600};
}

static void serve_one(void) {
    struct { struct fuse_out_header header; char body[256]; } out = {0};
    struct fuse_in_header *in = (void *)buffer;
    size_t count = 0;
    if (read(connection, buffer, SIZE) <= 0) _exit(0);
    switch (in->opcode) {
    case FUSE_INIT:
        *(struct fuse_init_out *)out.body = (struct fuse_init_out){.major = 7, .minor = 36, .max_write = 128 << 10};
        count = sizeof(struct fuse_init_out);
        break;
    case FUSE_LOOKUP:
        *(struct fuse_entry_out *)out.body =
            (struct fuse_entry_out){.nodeid = 2, .entry_valid = 1000, .attr_valid = 1000, .attr = attributes(2)};
        count = sizeof(struct fuse_entry_out);
        break;
    case FUSE_GETATTR:
        *(struct fuse_attr_out *)out.body = (struct fuse_attr_out){.attr_valid = 1000, .attr = attributes(in->nodeid)};
        count = sizeof(struct fuse_attr_out);
        break;
    case FUSE_OPEN:
        *(struct fuse_open_out *)out.body = (struct fuse_open_out){.open_flags = FOPEN_DIRECT_IO};
        count = sizeof(struct fuse_open_out);
        break;
    case FUSE_WRITE:
        ((struct fuse_write_out *)out.body)->size = ((struct fuse_write_in *)(in + 1))->size;
        count = sizeof(struct fuse_write_out);
        break;
    case FUSE_FORGET: case FUSE_BATCH_FORGET: return;
    case FUSE_FLUSH: case FUSE_RELEASE: break;
    default: out.header.error = -ENOSYS;
    }
    out.header.unique = in->unique;
    out.header.len = sizeof out.header + count;
    if (write(connection, &out, out.header.len) < 0) perror("answer");
}

// Reads into memory that waits for its pages, and is killed meanwhile.
static void first_server(int go, int is_touched) {
    char *memory = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {{(unsigned long)memory, SIZE}, UFFDIO_REGISTER_MODE_MISSING};
    int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    for (int i = 0; i < 2; i++) serve_one();  // lookup, open
    if (is_touched) memset(memory, 1, SIZE);
    if (faults < 0 || ioctl(faults, UFFDIO_API, &api) || ioctl(faults, UFFDIO_REGISTER, &range)) _exit(77);
    if (fork() == 0) {
        poll(&(struct pollfd){faults, POLLIN, 0}, 1, 2000);
        kill(getppid(), SIGKILL);
        _exit(0);
    }
    if (write(go, "x", 1) != 1 || read(connection, memory, SIZE) < 0) perror("read");
    for (;;) pause();
}

int main(int argc, char **argv) {
    char words[128], path[256], byte;
    int go[2], status;
    connection = open("/dev/fuse", O_RDWR);
    snprintf(words, sizeof words, "fd=%d,rootmode=40000,user_id=0,group_id=0", connection);
    if (connection < 0 || mount("servers", argv[1], "fuse", 0, words) || pipe(go)) return 77;
    serve_one();
    pid_t writer = fork();
    if (writer == 0) {
        close(connection);
        snprintf(path, sizeof path, "%s/file", argv[1]);
        int file = open(path, O_WRONLY);
        ssize_t count = read(go[0], &byte, 1) == 1 ? pwrite(file, buffer, 64 << 10, 0) : -1;
        puts(count < 0 ? strerror(errno) : "written");
        fflush(stdout);
        _exit(0);
    }
    pid_t first = fork();
    if (first == 0) first_server(go[1], argc > 2);
    waitpid(first, &status, 0);
    if (!WIFSIGNALED(status)) { kill(writer, SIGKILL); return 77; }
    struct fuse_out_header again = {sizeof again, 7, 0};  // FUSE_NOTIFY_RESEND
    if (write(connection, &again, sizeof again) < 0) return 77;
    pid_t second = fork();
    if (second == 0) for (;;) serve_one();
    waitpid(writer, 0, 0);
    kill(second, SIGKILL);
    return 0;
}
END
gcc -Wall -Werror -O1 -o "$dir/servers" "$dir/servers.c" || exit 77

# told [touch]: what the writer is told.
told() {
    local words status=0
    words=$(timeout 20 unshare --mount "$dir/servers" "$dir/mnt" "$@" 2> /dev/null) || status=$?
    ((status != 77)) || { echo "needs root, /dev/fuse, userfaultfd, Linux 6.9" >&2; exit 77; }
    echo "$words"
}

untouched=$(told) || exit
touched=$(told touch) || exit
echo "buffer not touched before: $untouched"
echo "buffer touched before: $touched"
[[ $untouched == "Input/output error" && $touched == written ]]
