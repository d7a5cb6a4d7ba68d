#pragma once
#include <rbd/librbd.h>
#include <linux/falloc.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Gives the pages of a range of a memory file back; fallocate(2) is not in what Swift sees of the C library.
static inline void nacre_punch_hole(int fd, int64_t offset, int64_t length) {
    (void)syscall(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length);
}
