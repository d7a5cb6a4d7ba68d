#pragma once
// Kernel interfaces that Swift cannot import: ioctl numbers (function-like macros), variadic calls, structures of
// headers that clash with the C library's. Shims return 0 or more, or a negative errno.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "CLinuxBlock.h"

// Block devices, <linux/fs.h>
int clinux_block_size_bytes(int fd, uint64_t *bytes);
int clinux_block_is_read_only(int fd, int *is_read_only);
int clinux_block_logical_sector_bytes(int fd, int *bytes);
int clinux_block_flush_buffers(int fd);
int clinux_block_zero_out(int fd, uint64_t offset, uint64_t length);
int clinux_block_discard(int fd, uint64_t offset, uint64_t length);

// Loop devices, <linux/loop.h>
int clinux_loop_get_free(int control);
int clinux_loop_configure(int loop, int backing, uint32_t block_size, int is_read_only, const char *name);
int clinux_loop_set_capacity(int loop);
int clinux_loop_clear(int loop);
/// What LOOP_GET_STATUS64 tells: the backing file's inode, and whether direct I/O is on.
int clinux_loop_status(int loop, uint64_t *inode, uint32_t *flags);
extern const uint32_t CLINUX_LO_FLAGS_DIRECT_IO;
extern const uint32_t CLINUX_LO_FLAGS_READ_ONLY;
extern const uint32_t CLINUX_LO_FLAGS_AUTOCLEAR;

// Growing and trimming mounted file systems
int clinux_ext4_resize(int fd, uint64_t blocks);
int clinux_xfs_geometry(int fd, uint32_t *block_size, uint64_t *data_blocks, uint32_t *imaxpct);
int clinux_xfs_grow_data(int fd, uint64_t blocks, uint32_t imaxpct);
int clinux_fitrim(int fd, uint64_t *trimmed);

// Processes
int clinux_pipe(int ends[2]);
int clinux_set_io_flusher(void);
int clinux_set_dumpable(int dumpable);
/// At most `count` malloc arenas: every thread of a library would get one otherwise. See mallopt(3), M_ARENA_MAX.
void clinux_limit_malloc_arenas(int count);
/// Gives free memory back to the kernel. See malloc_trim(3).
void clinux_trim_malloc(void);
/// Unmaps the pages of programs and libraries; those that are used come back from the page cache. See madvise(2).
void clinux_release_file_pages(void);
/// Locks pages as they are touched, so that serving I/O never waits for swap.
int clinux_lock_memory(void);
/// The number of the mount at `path` that no other mount has before the next boot: statx(2), STATX_MNT_ID_UNIQUE of Linux 6.8;
/// -EOPNOTSUPP where the kernel does not tell it.
int clinux_unique_mount_number(const char *path, uint64_t *number);
int clinux_pidfd_open(pid_t pid);
int clinux_pidfd_send_signal(int pidfd, int signal);

/// A copy of this process; fork(2) is not imported. The child goes on with this thread alone.
pid_t clinux_fork(void);
/// Memory that several processes map, `size` bytes of zeros, closed at exec. See memfd_create(2).
int clinux_shared_memory(const char *name, uint64_t size);
/// Two ends of a UNIX stream, closed at exec.
int clinux_socket_pair(int ends[2]);
/// A UNIX stream socket that listens at `path`, or one that is connected to who listens there. The connect, each read and
/// each write wait `seconds` at most.
int clinux_listen(const char *path);
int clinux_connect(const char *path, int seconds);
/// A generic netlink socket whose answers are waited for `seconds` at most.
int clinux_generic_netlink(int seconds);

/// Runs a program, with descriptors 0 to count-1 from `descriptors`: as a child of ours, in our session, or detached, so
/// that it outlives its parent (double fork, new session).
///
/// Returns the process id; *stage names the call that failed otherwise.
pid_t clinux_spawn(const char *path, char *const arguments[], char *const environment[], const int *descriptors,
                   int count, int is_detached, const char **stage);

// Keys that the kernel keeps, keyrings(7)
/// Adds a key to the calling thread's own keyring; its serial.
int clinux_add_thread_key(const char *type, const char *description, const void *payload, size_t length);
/// Makes a key of the thread's keyring unusable at once.
int clinux_forget_thread_key(int serial);

/// The symbolic name of an errno, such as EPERM; "errno N" never: NULL when it has none.
const char *clinux_errno_name(int error);
