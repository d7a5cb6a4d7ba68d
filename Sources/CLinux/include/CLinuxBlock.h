#pragma once
// Requests of disk tools to block devices and the device mapper. Shims return 0 or more, or a negative errno.

#include <stddef.h>
#include <stdint.h>

// Block devices, <linux/fs.h>, <linux/blkpg.h>
int clinux_block_physical_sector_bytes(int fd, uint32_t *bytes);
int clinux_block_disk_sequence(int fd, uint64_t *sequence);
int clinux_block_reread_partitions(int fd);
int clinux_block_add_partition(int fd, int number, uint64_t start, uint64_t length);
int clinux_block_delete_partition(int fd, int number);
int clinux_block_resize_partition(int fd, int number, uint64_t start, uint64_t length);
int clinux_block_secure_discard(int fd, uint64_t offset, uint64_t length);
/// 1 when another open file description holds a write lock (fcntl F_OFD_GETLK).
int clinux_is_write_locked(int fd);
extern const int CLINUX_O_DIRECT;
extern const int CLINUX_O_PATH;

// Reservations of initiators, <scsi/sg.h>, <linux/nvme_ioctl.h>
/// PERSISTENT RESERVE IN: the number of bytes that came; *status is SAM's, sense is key, code and qualifier.
int clinux_scsi_reservations(int fd, unsigned action, void *buffer, uint16_t length, uint8_t *status, uint8_t sense[3]);
/// Reservation Report: 0, NVMe's status, or a negative errno.
int clinux_nvme_reservations(int fd, uint32_t space, int is_extended, void *buffer, uint32_t length);
/// The number of the namespace behind a block device.
int clinux_nvme_namespace(int fd);

// Device mapper, <linux/dm-ioctl.h>: one buffer in and out that begins with struct dm_ioctl.
int clinux_device_mapper(int control, unsigned command, void *buffer);

// getrandom(2); all of it or a negative errno.
int clinux_random(void *buffer, size_t length);

/// Whether there are only zeros; *offset is the offset of the first other byte.
int clinux_is_zero(const void *buffer, size_t length, size_t *offset);
