/* clock.c: the clock of a node of RobustnessTests. Preloaded beside libfaketime (Debian's, 0.9.10) into every program of the
 * node, it tells libfaketime what else environment variables would: our services hand none of them on to the processes that they
 * start. Only the time of day is shifted, by what stands in OFFSET_FILE ("+10800", seconds), and read again each second; clocks
 * that count from the start of the machine keep, as they do when somebody sets a machine's clock. Times of files stay.
 * And it keeps libfaketime from setting a variable: that moves the environment, behind which Swift looks for a program's words. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

extern char **environ;

static const struct {
    const char *name, *value;
} told[] = {
    { "FAKETIME_TIMESTAMP_FILE", OFFSET_FILE },
    { "FAKETIME_CACHE_DURATION", "1" },
    { "FAKETIME_DONT_FAKE_MONOTONIC", "1" },
    { "DONT_FAKE_MONOTONIC", "1" },
    { "NO_FAKE_STAT", "1" },
};

char *getenv(const char *name)
{
    size_t length = strlen(name);
    for (unsigned i = 0; i < sizeof told / sizeof told[0]; i++)
        if (strcmp(told[i].name, name) == 0)
            return (char *)told[i].value;
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

int setenv(const char *name, const char *value, int replaces)
{
    static int (*real)(const char *, const char *, int);
    if (strncmp(name, "FAKETIME_", 9) == 0)
        return 0;
    if (!real)
        real = (int (*)(const char *, const char *, int))dlsym(RTLD_NEXT, "setenv");
    return real(name, value, replaces);
}

/* libfaketime shifts every time that a timer is set to, also of clocks that it leaves alone. */
int timerfd_settime(int timer, int flags, const struct itimerspec *next, struct itimerspec *former)
{
    return (int)syscall(SYS_timerfd_settime, timer, flags, next, former);
}

int timerfd_gettime(int timer, struct itimerspec *now)
{
    return (int)syscall(SYS_timerfd_gettime, timer, now);
}
