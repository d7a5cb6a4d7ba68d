#pragma once
#include <rados/librados.h>

// <string.h> declares it under _GNU_SOURCE alone, which Swift's view of the C library does not set.
const char *strerrorname_np(int number);

static inline const char *nacre_errno_name(int number) { return strerrorname_np(number); }
