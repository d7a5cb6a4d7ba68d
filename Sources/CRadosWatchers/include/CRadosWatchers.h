#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// One client that watches an object.
struct nacre_watcher {
    /// The client's address as Ceph prints it, "10.0.0.7:0/123456", zero-terminated.
    char address[256];
    /// The client's id: N of "client.N".
    int64_t client_id;
    uint64_t cookie;
};

/// Lists the watchers of an object: at most `capacity` into `watchers`.
///
/// librados' C interface has no such call, only its C++ one (librados::IoCtx::list_watchers).
/// Returns how many there are (may exceed `capacity`), or a negative errno.
int nacre_list_watchers(void *ioctx, const char *object, struct nacre_watcher *watchers, int capacity);

#ifdef __cplusplus
}
#endif
