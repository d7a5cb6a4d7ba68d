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

/// Lists at most `capacity` watchers of an object into `watchers`. Blocks the calling thread.
///
/// librados' C interface has no such call, only its C++ one (librados::IoCtx::list_watchers).
/// Returns how many there are (may exceed `capacity`), or a negative errno.
int nacre_list_watchers(void *ioctx, const char *object, struct nacre_watcher *watchers, int capacity);

/// Takes the watchers of an object, or a negative errno; `watchers` is valid only until it returns.
typedef void (*nacre_watchers_answer)(void *context, int result, const struct nacre_watcher *watchers, int count);

/// Requests the watchers of an object; `answer` is called once, on a thread of librados.
///
/// librados' C interface has no such call, only its C++ one (librados::ObjectReadOperation::list_watchers).
/// Returns 0, or a negative errno; after an error `answer` is not called.
int nacre_aio_list_watchers(void *ioctx, const char *object, nacre_watchers_answer answer, void *context);

/// Finds out, from this client's own map, which placement group of the pool has an object, or would have it.
///
/// librados' C interface has no such call, only its C++ one (librados::IoCtx::get_object_pg_hash_position2).
/// Returns 0, or a negative errno.
int nacre_placement_group(void *ioctx, const char *object, uint32_t *group);

#ifdef __cplusplus
}
#endif
