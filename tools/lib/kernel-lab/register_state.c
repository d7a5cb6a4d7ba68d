/* An LD_PRELOAD for user-mode-linux before 6.13, which keeps 2696 bytes of extended register state for a guest's task
 * and gives just these to PTRACE_SETREGSET(NT_X86_XSTATE). On a processor with AMX the state has 11008 bytes, and the
 * host's kernel refuses a shorter one with EFAULT: the guest panics at its first exec with "ptrace set fp regs failed,
 * errno = 14". So a short state is laid over the thread's present one, and all of it is written back; what lies past
 * the caller's part (AMX's tiles) stays as the thread has it. Where the state fits, and for every other request, this
 * passes through. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PEEK_FIRST = 1, PEEK_LAST = 3, GET_REGISTER_SET = 0x4204, SET_REGISTER_SET = 0x4205 };

/* The header of the XSAVE area; its first word says which components the area holds. */
enum { HEADER = 512 };
/* Components whose place is within 2696 bytes: x87 to PKRU. */
#define FITTING 0x3ffull

static long raw(long request, long pid, void *address, void *data)
{
    return syscall(SYS_ptrace, request, pid, address, data);
}

static size_t needed; /* of this host, once it is known */

static long set_state(long pid, void *address, struct iovec *given)
{
    static char state[65536] __attribute__((aligned(64)));
    struct iovec all = {state, sizeof state};
    unsigned long long own, wanted;

    if (needed != 0 && given->iov_len >= needed)
        return raw(SET_REGISTER_SET, pid, address, given);
    if (raw(GET_REGISTER_SET, pid, address, &all) < 0)
        return -1;
    needed = all.iov_len;
    if (given->iov_len >= needed || given->iov_len < HEADER + sizeof own)
        return raw(SET_REGISTER_SET, pid, address, given);
    memcpy(&own, state + HEADER, sizeof own);
    memcpy(state, given->iov_base, given->iov_len);
    memcpy(&wanted, state + HEADER, sizeof wanted);
    wanted = (wanted & FITTING) | (own & ~FITTING);
    memcpy(state + HEADER, &wanted, sizeof wanted);
    return raw(SET_REGISTER_SET, pid, address, &all);
}

long ptrace(int request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    long pid = va_arg(arguments, int);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request == SET_REGISTER_SET && (long)address == NT_X86_XSTATE)
        return set_state(pid, address, data);
    /* The C library returns the word itself for these, the system call writes it. */
    if (request >= PEEK_FIRST && request <= PEEK_LAST) {
        long word;
        if (raw(request, pid, address, &word) < 0)
            return -1;
        errno = 0;
        return word;
    }
    return raw(request, pid, address, data);
}
