#pragma once
#define FUSE_USE_VERSION 312
// The C library's headers come first, as Swift's Glibc module reads them: with _FILE_OFFSET_BITS its structures get other
// field types, which are the same on 64-bit machines but not to the compiler. libfuse insists on the macro.
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <utime.h>
_Static_assert(sizeof(off_t) == 8, "libfuse needs 64-bit file offsets");
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#include <fuse3/fuse_lowlevel.h>
