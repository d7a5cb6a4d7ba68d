#include "CRadosWatchers.h"

#include <cerrno>
#include <cstring>
#include <list>
#include <new>
#include <rados/librados.hpp>

int nacre_list_watchers(void *ioctx, const char *object, struct nacre_watcher *watchers, int capacity) {
    try {
        librados::IoCtx context;
        librados::IoCtx::from_rados_ioctx_t(ioctx, context);
        std::list<obj_watch_t> found;
        int result = context.list_watchers(object, &found);
        if (result < 0) {
            return result;
        }
        int index = 0;
        for (const auto &watch : found) {
            if (index == capacity) {
                break;
            }
            nacre_watcher &out = watchers[index++];
            std::memset(&out, 0, sizeof out);
            std::strncpy(out.address, watch.addr, sizeof out.address - 1);
            out.client_id = watch.watcher_id;
            out.cookie = watch.cookie;
        }
        return static_cast<int>(found.size());
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    } catch (...) {
        return -EIO;  // A C++ exception must not cross into Swift.
    }
}
