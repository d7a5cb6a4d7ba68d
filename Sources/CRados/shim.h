#pragma once
#include <rados/librados.h>

// <string.h> declares it only with _GNU_SOURCE, which Swift's Glibc module does not set.
const char *strerrorname_np(int number);

static inline const char *nacre_errno_name(int number) { return strerrorname_np(number); }
