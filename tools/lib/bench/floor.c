// floor: what Nacre's verbs cost bare: the same calls to librbd and librados from C, all threads over one connection.
//
// usage: floor MONITORS SECRET-DIR POOL PREFIX VERB COUNT THREADS
//   create   rbd_create4, one read of rbd_id.NAME, one metadata_set with three keys on rbd_header.ID
//   image    rbd_create4 alone: to fill a pool
//   grow     rbd_open, rbd_resize2, rbd_close
//   trash    rbd_trash_move
//   purge    rbd_trash_remove of everything in the trash that is named PREFIX…
// Prints one line of JSON: the time of each call and of the whole. The images are PREFIX-0, PREFIX-1, …
#define _GNU_SOURCE
#include "measure.h"
#include <rados/librados.h>
#include <rbd/librbd.h>

enum { FEATURES = 1 | 4 | 8 | 16 | 32 };  // layering, exclusive-lock, object-map, fast-diff, deep-flatten
static const uint64_t GIB = 1 << 30;

static rados_ioctx_t pool;
static const char *prefix;
static char **trash_ids;

static void check(int result, const char *call, const char *subject) {
    if (result < 0) die("floor: %s of '%s' failed: %s", call, subject, strerror(-result));
}

static void name_of(char *name, size_t size, int index) { snprintf(name, size, "%s-%d", prefix, index); }

static void image(int index, int thread) {
    (void)thread;
    char name[128];
    name_of(name, sizeof name, index);
    rbd_image_options_t options;
    rbd_image_options_create(&options);
    rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_FORMAT, 2);
    rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_FEATURES, FEATURES);
    check(rbd_create4(pool, name, GIB, options), "rbd_create4", name);
    rbd_image_options_destroy(options);
}

static size_t put(char *buffer, size_t at, const char *text) {
    uint32_t length = strlen(text);  // little-endian on every machine this runs on
    memcpy(buffer + at, &length, 4);
    memcpy(buffer + at + 4, text, length);
    return at + 4 + length;
}

static void create(int index, int thread) {
    image(index, thread);
    char name[128], object[320], answer[256], input[1024];
    name_of(name, sizeof name, index);
    snprintf(object, sizeof object, "rbd_id.%s", name);
    int length = rados_read(pool, object, answer, sizeof answer - 1, 0);
    check(length, "rados_read", object);
    if (length <= 4) die("floor: '%s' holds no id", object);
    answer[length] = 0;
    snprintf(object, sizeof object, "rbd_header.%s", answer + 4);
    uint32_t count = 3;
    memcpy(input, &count, 4);
    size_t at = 4;
    at = put(input, at, "csi.storage.k8s.io/pv/name"), at = put(input, at, name);
    at = put(input, at, "csi.storage.k8s.io/pvc/name"), at = put(input, at, name);
    at = put(input, at, "csi.storage.k8s.io/pvc/namespace"), at = put(input, at, "bench");
    check(rados_exec(pool, object, "rbd", "metadata_set", input, at, NULL, 0), "metadata_set", object);
}

static void grow(int index, int thread) {
    (void)thread;
    char name[128];
    name_of(name, sizeof name, index);
    rbd_image_t opened;
    check(rbd_open(pool, name, &opened, NULL), "rbd_open", name);
    check(rbd_resize2(opened, 2 * GIB, false, NULL, NULL), "rbd_resize2", name);
    check(rbd_close(opened), "rbd_close", name);
}

static void trash(int index, int thread) {
    (void)thread;
    char name[128];
    name_of(name, sizeof name, index);
    check(rbd_trash_move(pool, name, 0), "rbd_trash_move", name);
}

static void purge(int index, int thread) {
    (void)thread;
    check(rbd_trash_remove(pool, trash_ids[index], false), "rbd_trash_remove", trash_ids[index]);
}

static int list_trash(void) {
    size_t count = 1 << 16;
    rbd_trash_image_info_t *entries = calloc(count, sizeof *entries);
    check(rbd_trash_list(pool, entries, &count), "rbd_trash_list", prefix);
    trash_ids = calloc(count + 1, sizeof *trash_ids);
    int ours = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(entries[i].name, prefix, strlen(prefix)) == 0) trash_ids[ours++] = strdup(entries[i].id);
    rbd_trash_list_cleanup(entries, count);
    free(entries);
    return ours;
}

int main(int words, char **word) {
    if (words != 8) die("usage: floor MONITORS SECRET-DIR POOL PREFIX VERB COUNT THREADS");
    const char *verb = word[5];
    int count = atoi(word[6]), threads = atoi(word[7]);
    prefix = word[4];
    void (*work)(int, int) = strcmp(verb, "create") == 0 ? create
        : strcmp(verb, "image") == 0 ? image
        : strcmp(verb, "grow") == 0 ? grow
        : strcmp(verb, "trash") == 0 ? trash
        : strcmp(verb, "purge") == 0 ? purge : NULL;
    if (!work || count < 0 || threads < 1) die("floor: no verb '%s' with %s calls on %s threads", verb, word[6], word[7]);

    char user[600];
    snprintf(user, sizeof user, "client.%s", read_word(word[2], "userID"));
    rados_t cluster;
    check(rados_create2(&cluster, "ceph", user, 0), "rados_create2", user);
    check(rados_conf_set(cluster, "mon_host", word[1]), "rados_conf_set", "mon_host");
    check(rados_conf_set(cluster, "key", read_word(word[2], "userKey")), "rados_conf_set", "key");
    check(rados_connect(cluster), "rados_connect", word[1]);
    check(rados_ioctx_create(cluster, word[3], &pool), "rados_ioctx_create", word[3]);
    if (work == purge) count = list_trash();
    measure(verb, count, threads, work);
    rados_ioctx_destroy(pool);
    rados_shutdown(cluster);
}
