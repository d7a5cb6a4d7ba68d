#pragma once
#define FUSE_USE_VERSION 312
// The C library's headers come first, as Swift's Glibc module reads them: with _FILE_OFFSET_BITS its structures get other
// field types, which are the same on 64-bit machines but not to the compiler. libfuse insists on the macro.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>
_Static_assert(sizeof(off_t) == 8, "libfuse needs 64-bit file offsets");
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#include <fuse3/fuse_lowlevel.h>

/// A session that speaks to nobody yet; NULL if there can be none.
static inline struct fuse_session *cfuse_session(const char *name, const struct fuse_lowlevel_ops *operations,
                                                 void *context) {
    char *words[] = {(char *)name, NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT(1, words);
    return fuse_session_new(&arguments, operations, sizeof *operations, context);
}

/// Lets a session speak over a connection that its caller opened and mounted; -1 if it cannot.
static inline int cfuse_speak(struct fuse_session *session, int connection) {
    // libfuse closes its descriptor at its end.
    int copy = dup(connection);
    if (copy < 0) return -1;
    char path[32];
    (void)snprintf(path, sizeof path, "/dev/fd/%d", copy);
    return fuse_session_mount(session, path);
}

/// The context of the session that a request came by; where there is none the request gets EIO as its answer.
static inline void *cfuse_context(fuse_req_t request) {
    void *context = fuse_req_userdata(request);
    if (!context) (void)fuse_reply_err(request, EIO);
    return context;
}
