#define _GNU_SOURCE
#include "CLinuxBlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#define CHECKED(call) ((call) < 0 ? -errno : 0)

#ifndef BLKGETDISKSEQ
#define BLKGETDISKSEQ _IOR(0x12, 128, uint64_t)
#endif

const int CLINUX_O_DIRECT = O_DIRECT;
const int CLINUX_O_PATH = O_PATH;

int clinux_block_physical_sector_bytes(int fd, uint32_t *bytes) { return CHECKED(ioctl(fd, BLKPBSZGET, bytes)); }
int clinux_block_disk_sequence(int fd, uint64_t *sequence) { return CHECKED(ioctl(fd, BLKGETDISKSEQ, sequence)); }
int clinux_block_reread_partitions(int fd) { return CHECKED(ioctl(fd, BLKRRPART)); }

int clinux_block_secure_discard(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return CHECKED(ioctl(fd, BLKSECDISCARD, range));
}

static int change_partition(int fd, int operation, int number, uint64_t start, uint64_t length) {
    struct blkpg_partition partition = {.start = (long long)start, .length = (long long)length, .pno = number};
    struct blkpg_ioctl_arg argument = {.op = operation, .datalen = sizeof partition, .data = &partition};
    return CHECKED(ioctl(fd, BLKPG, &argument));
}

int clinux_block_add_partition(int fd, int number, uint64_t start, uint64_t length) {
    return change_partition(fd, BLKPG_ADD_PARTITION, number, start, length);
}

int clinux_block_delete_partition(int fd, int number) {
    return change_partition(fd, BLKPG_DEL_PARTITION, number, 0, 0);
}

int clinux_block_resize_partition(int fd, int number, uint64_t start, uint64_t length) {
    return change_partition(fd, BLKPG_RESIZE_PARTITION, number, start, length);
}

int clinux_is_write_locked(int fd) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &lock) < 0) return -errno;
    return lock.l_type == F_WRLCK;
}

int clinux_device_mapper(int control, unsigned command, void *buffer) {
    return CHECKED(ioctl(control, _IOWR(DM_IOCTL, command, struct dm_ioctl), buffer));
}

int clinux_random(void *buffer, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = getrandom((char *)buffer + done, length - done, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        done += (size_t)count;
    }
    return 0;
}

int clinux_is_zero(const void *buffer, size_t length, size_t *offset) {
    const unsigned char *bytes = buffer;
    size_t index = 0;
    uint64_t word;
    // Eight words at a time, so that the compiler takes wide registers.
    for (uint64_t block[8]; index + sizeof block <= length; index += sizeof block) {
        memcpy(block, bytes + index, sizeof block);
        uint64_t any = 0;
        for (int part = 0; part < 8; part++) any |= block[part];
        if (any) break;
    }
    for (; index + sizeof word <= length; index += sizeof word) {
        memcpy(&word, bytes + index, sizeof word);
        if (word) break;
    }
    for (; index < length; index++)
        if (bytes[index]) {
            *offset = index;
            return 0;
        }
    return 1;
}
