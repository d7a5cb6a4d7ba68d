#define _GNU_SOURCE
#include "CLinuxBlock.h"

#include <errno.h>
#include <linux/nvme_ioctl.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>

#define LIMIT_MILLISECONDS 5000

int clinux_scsi_reservations(int fd, unsigned action, void *buffer, uint16_t length, uint8_t *status, uint8_t sense[3]) {
    // PERSISTENT RESERVE IN, SPC-4 6.15.
    unsigned char command[10] = {0x5E, action & 0x1F, 0, 0, 0, 0, 0, length >> 8, length & 0xFF, 0};
    unsigned char words[64] = {0};
    struct sg_io_hdr request = {
        .interface_id = 'S',
        .dxfer_direction = SG_DXFER_FROM_DEV,
        .cmd_len = sizeof command,
        .cmdp = command,
        .dxfer_len = length,
        .dxferp = buffer,
        .mx_sb_len = sizeof words,
        .sbp = words,
        .timeout = LIMIT_MILLISECONDS,
    };
    if (ioctl(fd, SG_IO, &request) < 0) return -errno;
    *status = request.status;
    // Descriptor sense has its words elsewhere than fixed sense.
    int is_descriptor = (words[0] & 0x7F) >= 0x72;
    sense[0] = (is_descriptor ? words[1] : words[2]) & 0x0F;
    sense[1] = is_descriptor ? words[2] : words[12];
    sense[2] = is_descriptor ? words[3] : words[13];
    if (request.host_status || (request.driver_status & 0x07)) return -EIO;
    return (int)length - request.resid;
}

int clinux_nvme_reservations(int fd, uint32_t space, int is_extended, void *buffer, uint32_t length) {
    // Reservation Report, NVM Express Base Specification 7.5.
    struct nvme_passthru_cmd command = {
        .opcode = 0x0E,
        .nsid = space,
        .addr = (uint64_t)(uintptr_t)buffer,
        .data_len = length,
        .cdw10 = length / 4 - 1,
        .cdw11 = is_extended ? 1 : 0,
        .timeout_ms = LIMIT_MILLISECONDS,
    };
    int result = ioctl(fd, NVME_IOCTL_IO_CMD, &command);
    return result < 0 ? -errno : result;
}

int clinux_nvme_namespace(int fd) {
    int space = ioctl(fd, NVME_IOCTL_ID);
    return space < 0 ? -errno : space;
}
