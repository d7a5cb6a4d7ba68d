#include "CRadosWatchers.h"

#include <cerrno>
#include <cstring>
#include <list>
#include <memory>
#include <new>
#include <rados/librados.hpp>
#include <vector>

namespace {

void fill(nacre_watcher &out, const obj_watch_t &watch) {
    std::memset(&out, 0, sizeof out);
    std::strncpy(out.address, watch.addr, sizeof out.address - 1);
    out.client_id = watch.watcher_id;
    out.cookie = watch.cookie;
}

/// What lives from the call to its answer.
struct Call {
    nacre_watchers_answer answer;
    void *context;
    std::list<obj_watch_t> found;
    int result = 0;
    librados::AioCompletion *completion = nullptr;

    ~Call() {
        if (completion != nullptr) {
            completion->release();
        }
    }
};

void answered(librados::completion_t, void *argument) {
    std::unique_ptr<Call> call(static_cast<Call *>(argument));
    int result = call->completion->get_return_value();
    if (result >= 0) {
        result = call->result;
    }
    if (result < 0) {
        call->answer(call->context, result, nullptr, 0);
        return;
    }
    try {
        std::vector<nacre_watcher> watchers;
        watchers.reserve(call->found.size());
        for (const auto &watch : call->found) {
            fill(watchers.emplace_back(), watch);
        }
        call->answer(call->context, 0, watchers.data(), static_cast<int>(watchers.size()));
    } catch (const std::bad_alloc &) {
        call->answer(call->context, -ENOMEM, nullptr, 0);
    }
}

}  // namespace

int nacre_aio_list_watchers(void *ioctx, const char *object, nacre_watchers_answer answer, void *context) {
    try {
        librados::IoCtx pool;
        librados::IoCtx::from_rados_ioctx_t(ioctx, pool);
        auto call = std::make_unique<Call>();
        call->answer = answer;
        call->context = context;
        call->completion = librados::Rados::aio_create_completion(call.get(), answered);
        librados::ObjectReadOperation operation;
        operation.list_watchers(&call->found, &call->result);
        int submitted = pool.aio_operate(object, call->completion, &operation, nullptr);
        if (submitted >= 0) {
            call.release();
        }
        return submitted < 0 ? submitted : 0;
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    } catch (...) {
        return -EIO;  // A C++ exception must not cross into Swift.
    }
}

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
            fill(watchers[index++], watch);
        }
        return static_cast<int>(found.size());
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    } catch (...) {
        return -EIO;  // A C++ exception must not cross into Swift.
    }
}

int nacre_placement_group(void *ioctx, const char *object, uint32_t *group) {
    try {
        librados::IoCtx context;
        librados::IoCtx::from_rados_ioctx_t(ioctx, context);
        return context.get_object_pg_hash_position2(object, group);
    } catch (const std::bad_alloc &) {
        return -ENOMEM;
    } catch (...) {
        return -EIO;  // A C++ exception must not cross into Swift.
    }
}
