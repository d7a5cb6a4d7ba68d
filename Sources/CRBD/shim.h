#pragma once
#include <rbd/librbd.h>
#include <linux/falloc.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Frees the pages of a range of a memory file; fallocate(2) is not in Swift's Glibc module.
static inline void nacre_punch_hole(int fd, int64_t offset, int64_t length) {
    (void)syscall(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length);
}
