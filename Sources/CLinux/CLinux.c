#define _GNU_SOURCE
#include "CLinux.h"

#include <malloc.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/loop.h>
#include <linux/netlink.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECKED(call) ((call) < 0 ? -errno : 0)

static int value_or_errno(long result) { return result < 0 ? -errno : (int)result; }

int clinux_block_size_bytes(int fd, uint64_t *bytes) { return CHECKED(ioctl(fd, BLKGETSIZE64, bytes)); }
int clinux_block_is_read_only(int fd, int *is_read_only) { return CHECKED(ioctl(fd, BLKROGET, is_read_only)); }
int clinux_block_logical_sector_bytes(int fd, int *bytes) { return CHECKED(ioctl(fd, BLKSSZGET, bytes)); }
int clinux_block_flush_buffers(int fd) { return CHECKED(ioctl(fd, BLKFLSBUF, 0)); }

int clinux_block_zero_out(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return CHECKED(ioctl(fd, BLKZEROOUT, range));
}

int clinux_block_discard(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return CHECKED(ioctl(fd, BLKDISCARD, range));
}

const uint32_t CLINUX_LO_FLAGS_DIRECT_IO = LO_FLAGS_DIRECT_IO;
const uint32_t CLINUX_LO_FLAGS_READ_ONLY = LO_FLAGS_READ_ONLY;
const uint32_t CLINUX_LO_FLAGS_AUTOCLEAR = LO_FLAGS_AUTOCLEAR;

int clinux_loop_get_free(int control) {
    int number = ioctl(control, LOOP_CTL_GET_FREE);
    return number < 0 ? -errno : number;
}

int clinux_loop_configure(int loop, int backing, uint32_t block_size, int is_read_only, const char *name) {
    struct loop_config config = {.fd = backing, .block_size = block_size};
    config.info.lo_flags = LO_FLAGS_DIRECT_IO | (is_read_only ? LO_FLAGS_READ_ONLY : 0);
    strncpy((char *)config.info.lo_file_name, name, LO_NAME_SIZE - 1);
    return CHECKED(ioctl(loop, LOOP_CONFIGURE, &config));
}

int clinux_loop_set_capacity(int loop) { return CHECKED(ioctl(loop, LOOP_SET_CAPACITY, 0)); }
int clinux_loop_clear(int loop) { return CHECKED(ioctl(loop, LOOP_CLR_FD, 0)); }

int clinux_loop_status(int loop, uint64_t *inode, uint32_t *flags) {
    struct loop_info64 info;
    if (ioctl(loop, LOOP_GET_STATUS64, &info) < 0) return -errno;
    *inode = info.lo_inode;
    *flags = info.lo_flags;
    return 0;
}

// fs/ext4/ext4.h
#define EXT4_RESIZE_FS _IOW('f', 16, uint64_t)

int clinux_ext4_resize(int fd, uint64_t blocks) { return CHECKED(ioctl(fd, EXT4_RESIZE_FS, &blocks)); }

// fs/xfs/libxfs/xfs_fs.h, structures that have not changed since version 1
struct xfs_geometry_v1 {
    uint32_t blocksize, rtextsize, agblocks, agcount, logblocks, sectsize, inodesize, imaxpct;
    uint64_t datablocks, rtblocks, rtextents, logstart;
    unsigned char uuid[16];
    uint32_t sunit, swidth;
    int32_t version;
    uint32_t flags, logsectsize, rtsectsize, dirblocksize;
};
struct xfs_grow_data {
    uint64_t newblocks;
    uint32_t imaxpct;
};
#define XFS_GEOMETRY_V1 _IOR('X', 100, struct xfs_geometry_v1)
#define XFS_GROW_DATA _IOW('X', 110, struct xfs_grow_data)

int clinux_xfs_geometry(int fd, uint32_t *block_size, uint64_t *data_blocks, uint32_t *imaxpct) {
    struct xfs_geometry_v1 geometry;
    if (ioctl(fd, XFS_GEOMETRY_V1, &geometry) < 0) return -errno;
    *block_size = geometry.blocksize;
    *data_blocks = geometry.datablocks;
    *imaxpct = geometry.imaxpct;
    return 0;
}

int clinux_xfs_grow_data(int fd, uint64_t blocks, uint32_t imaxpct) {
    struct xfs_grow_data growth = {.newblocks = blocks, .imaxpct = imaxpct};
    return CHECKED(ioctl(fd, XFS_GROW_DATA, &growth));
}

int clinux_fitrim(int fd, uint64_t *trimmed) {
    struct fstrim_range range = {.start = 0, .len = UINT64_MAX, .minlen = 0};
    if (ioctl(fd, FITRIM, &range) < 0) return -errno;
    *trimmed = range.len;
    return 0;
}

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

int clinux_pipe(int ends[2]) { return CHECKED(pipe2(ends, O_CLOEXEC)); }
int clinux_set_io_flusher(void) { return CHECKED(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0)); }
int clinux_set_dumpable(int dumpable) { return CHECKED(prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0)); }
int clinux_lock_memory(void) { return CHECKED(mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)); }

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000U
#endif

int clinux_unique_mount_number(const char *path, uint64_t *number) {
    struct statx status = {0};
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
    if (statx(AT_FDCWD, path, flags, STATX_MNT_ID_UNIQUE, &status) < 0) return -errno;
    if (!(status.stx_mask & STATX_MNT_ID_UNIQUE)) return -EOPNOTSUPP;
    *number = status.stx_mnt_id;
    return 0;
}

int clinux_pidfd_open(pid_t pid) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : fd;
}

int clinux_pidfd_send_signal(int pidfd, int signal) {
    return CHECKED(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

pid_t clinux_fork(void) { return value_or_errno(fork()); }

int clinux_shared_memory(const char *name, uint64_t size) {
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) return -errno;
    if (ftruncate(fd, (off_t)size) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

int clinux_socket_pair(int ends[2]) { return CHECKED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)); }

static int unix_socket(const char *path, int seconds, int (*bring_up)(int, const struct sockaddr *, socklen_t)) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    // A connect waits as long as a send where the listener has as many as it keeps and accepts none; 0 is no limit.
    struct timeval limit = {.tv_sec = seconds};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        bring_up(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

int clinux_connect(const char *path, int seconds) { return unix_socket(path, seconds, connect); }

int clinux_listen(const char *path) {
    int fd = unix_socket(path, 0, bind);
    if (fd < 0 || listen(fd, 16) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

int clinux_generic_netlink(int seconds) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    if (fd < 0) return -errno;
    struct timeval limit = {.tv_sec = seconds};
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

// The report of the child and the grandchild to the parent: the failed call and its errno, or the grandchild's id.
struct spawn_report {
    int error;
    int stage;
    pid_t pid;
};
static const char *const spawn_stages[] = {"fork", "setsid", "dup2", "execve"};

// Between fork and exec of a process with threads: only async-signal-safe calls here.
static void become(const char *path, char *const arguments[], char *const environment[], const int *descriptors,
                   int count, int report) {
    struct spawn_report failure = {.stage = 2};
    int high[16];
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(descriptors[i], F_DUPFD_CLOEXEC, 64);
        if (high[i] < 0) goto failed;
    }
    int kept = fcntl(report, F_DUPFD_CLOEXEC, 128);
    if (kept < 0) goto failed;
    report = kept;
    for (int i = 0; i < count; i++)
        if (dup2(high[i], i) < 0) goto failed;
    // Closes everything else of the parent: sockets, Ceph sessions, other volumes' files.
    syscall(SYS_close_range, (unsigned)count, 127u, 0);
    syscall(SYS_close_range, (unsigned)report + 1, ~0u, 0);
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < 65; number++) sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(077);
    if (chdir("/") < 0) goto failed;
    failure.stage = 3;
    execve(path, arguments, environment);
failed:
    failure.error = errno;
    (void)!write(report, &failure, sizeof failure);
    _exit(127);
}

// In a child: goes on as a grandchild in a session of its own, whose number the report tells.
static void leave(int report) {
    struct spawn_report outcome = {.stage = 1};
    if (setsid() >= 0) {
        outcome.stage = 0;
        pid_t grandchild = fork();
        if (grandchild == 0) return;
        if (grandchild > 0) {
            outcome.pid = grandchild;
            (void)!write(report, &outcome, sizeof outcome);
            _exit(0);
        }
    }
    outcome.error = errno;
    (void)!write(report, &outcome, sizeof outcome);
    _exit(127);
}

static void reap(pid_t child) {
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
}

pid_t clinux_spawn(const char *path, char *const arguments[], char *const environment[], const int *descriptors,
                   int count, int is_detached, const char **stage) {
    *stage = "pipe2";
    if (count > 16) return -EINVAL;
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) return -errno;
    *stage = "fork";
    pid_t child = fork();
    if (child < 0) {
        int error = errno;
        close(report[0]);
        close(report[1]);
        return -error;
    }
    if (child == 0) {
        if (is_detached) leave(report[1]);
        become(path, arguments, environment, descriptors, count, report[1]);
    }
    close(report[1]);
    if (is_detached) reap(child);
    pid_t pid = is_detached ? -ECHILD : child;
    // The pipe closes at the program's exec; until then reports come: the grandchild's id, and perhaps a failure.
    struct spawn_report outcome;
    for (;;) {
        ssize_t size = read(report[0], &outcome, sizeof outcome);
        if (size < 0 && errno == EINTR) continue;
        if (size != sizeof outcome) break;
        if (outcome.error) {
            *stage = spawn_stages[outcome.stage];
            pid = -outcome.error;
            break;
        }
        if (pid == -ECHILD) pid = outcome.pid;
    }
    close(report[0]);
    if (!is_detached && pid < 0) reap(child);
    return pid;
}

const char *clinux_errno_name(int error) { return strerrorname_np(error); }

void clinux_limit_malloc_arenas(int count) { (void)mallopt(M_ARENA_MAX, count); }
void clinux_trim_malloc(void) { (void)malloc_trim(0); }

static int release_file_pages(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size, (void)unused;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        // Writable pages may differ from the file, and the kernel's vDSO is in no file.
        if (strncmp(object->dlpi_name, "linux-", 6) == 0 || part->p_type != PT_LOAD || (part->p_flags & PF_W))
            continue;
        uintptr_t begin = (object->dlpi_addr + part->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + part->p_vaddr + part->p_memsz) & ~(page - 1);
        if (begin < end)
            (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void clinux_release_file_pages(void) { (void)dl_iterate_phdr(release_file_pages, NULL); }

int clinux_add_thread_key(const char *type, const char *description, const void *payload, size_t length) {
    return value_or_errno(syscall(SYS_add_key, type, description, payload, length, KEY_SPEC_THREAD_KEYRING));
}

int clinux_forget_thread_key(int serial) {
    if (syscall(SYS_keyctl, KEYCTL_INVALIDATE, serial) == 0)
        return 0;
    return CHECKED(syscall(SYS_keyctl, KEYCTL_UNLINK, serial, KEY_SPEC_THREAD_KEYRING));
}
