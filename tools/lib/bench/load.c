// load: calls Nacre's JSON service over its UNIX socket, one kept connection a thread, as a Connect client does.
//
// usage: load SOCKET SECRET-DIR CLUSTER-ID POOL HANDLES RUN VERB COUNT THREADS
//   create   CreateVolume of pvc-<uuid from RUN and number>, 1 GiB; writes the handles to the file HANDLES
//   repeat   the same calls again
//   expand   ControllerExpandVolume to 2 GiB of the volumes in HANDLES
//   delete   DeleteVolume of the volumes in HANDLES
//   info     GetPluginInfo: what the door itself costs, without Ceph
// Prints one line of JSON, as floor does. An answer that is not 200 ends it with the answer's text.
#define _GNU_SOURCE
#include "measure.h"
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LONGEST = 16384 };
static const char *user, *key, *cluster_id, *pool, *verb;
static unsigned run;
static int *sockets;
static char **handles;

static int connect_to(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) die("load: socket path '%s' is too long", path);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("load: cannot connect to '%s': %s", path, strerror(errno));
    return fd;
}

static void send_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = write(fd, bytes, length);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) die("load: cannot send to the service: %s", strerror(errno));
        bytes += sent, length -= sent;
    }
}

// One answer with a Content-Length into `answer`; its body.
static char *receive(int fd, char *answer) {
    size_t have = 0;
    for (;;) {
        ssize_t got = read(fd, answer + have, LONGEST - 1 - have);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) die("load: the service closed the connection in the middle of an answer");
        have += got;
        answer[have] = 0;
        char *body = strstr(answer, "\r\n\r\n");
        if (!body) continue;
        body += 4;
        char *length = strcasestr(answer, "\r\nContent-Length:");
        if (!length || length > body) die("load: an answer without Content-Length:\n%s", answer);
        if (have - (body - answer) < strtoul(length + 17, NULL, 10)) continue;
        if (strncmp(answer, "HTTP/1.1 200", 12) != 0) die("load: %s was refused:\n%s", verb, answer);
        return body;
    }
}

static char *call(int thread, const char *method, const char *body, char *answer) {
    char request[LONGEST];
    int length = snprintf(request, sizeof request,
        "POST /csi.v1.%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s", method, strlen(body), body);
    if (length >= (int)sizeof request) die("load: the request is too long");
    send_all(sockets[thread], request, length);
    return receive(sockets[thread], answer);
}

static void create(int index, int thread) {
    char body[LONGEST / 2], answer[LONGEST], name[64];
    snprintf(name, sizeof name, "pvc-%08x-0000-4000-8000-%012x", run, index);
    snprintf(body, sizeof body,
        "{\"name\":\"%s\",\"capacityRange\":{\"requiredBytes\":\"1073741824\"},"
        "\"volumeCapabilities\":[{\"mount\":{\"fsType\":\"ext4\"},\"accessMode\":{\"mode\":\"SINGLE_NODE_WRITER\"}}],"
        "\"parameters\":{\"clusterID\":\"%s\",\"pool\":\"%s\","
        "\"imageFeatures\":\"layering,exclusive-lock,object-map,fast-diff,deep-flatten\","
        "\"csi.storage.k8s.io/pvc/name\":\"claim-%d\",\"csi.storage.k8s.io/pvc/namespace\":\"bench\","
        "\"csi.storage.k8s.io/pv/name\":\"%s\"},"
        "\"secrets\":{\"userID\":\"%s\",\"userKey\":\"%s\"}}",
        name, cluster_id, pool, index, name, user, key);
    char *handle = strstr(call(thread, "Controller/CreateVolume", body, answer), "\"volumeId\":\"");
    if (!handle) die("load: CreateVolume's answer has no volumeId:\n%s", answer);
    handle += 12;
    size_t length = strcspn(handle, "\"");
    char *kept = handles[index] = calloc(1, length + 1);
    for (size_t i = 0; i < length; i++)  // a '/' may come escaped
        if (handle[i] != '\\') *kept++ = handle[i];
}

static void expand(int index, int thread) {
    char body[LONGEST / 2], answer[LONGEST];
    snprintf(body, sizeof body,
        "{\"volumeId\":\"%s\",\"capacityRange\":{\"requiredBytes\":\"2147483648\"},"
        "\"secrets\":{\"userID\":\"%s\",\"userKey\":\"%s\"}}", handles[index], user, key);
    call(thread, "Controller/ControllerExpandVolume", body, answer);
}

static void delete(int index, int thread) {
    char body[LONGEST / 2], answer[LONGEST];
    snprintf(body, sizeof body, "{\"volumeId\":\"%s\",\"secrets\":{\"userID\":\"%s\",\"userKey\":\"%s\"}}",
        handles[index], user, key);
    call(thread, "Controller/DeleteVolume", body, answer);
}

static void info(int index, int thread) {
    (void)index;
    char answer[LONGEST];
    call(thread, "Identity/GetPluginInfo", "{}", answer);
}

int main(int words, char **word) {
    if (words != 10) die("usage: load SOCKET SECRET-DIR CLUSTER-ID POOL HANDLES RUN VERB COUNT THREADS");
    user = read_word(word[2], "userID"), key = read_word(word[2], "userKey");
    cluster_id = word[3], pool = word[4], run = strtoul(word[6], NULL, 10), verb = word[7];
    int count = atoi(word[8]), threads = atoi(word[9]);
    void (*work)(int, int) = strcmp(verb, "create") == 0 || strcmp(verb, "repeat") == 0 ? create
        : strcmp(verb, "expand") == 0 ? expand
        : strcmp(verb, "delete") == 0 ? delete
        : strcmp(verb, "info") == 0 ? info : NULL;
    if (!work || count < 1 || threads < 1) die("load: no verb '%s' with %s calls on %s threads", verb, word[8], word[9]);

    handles = calloc(count, sizeof *handles);
    if (work == expand || work == delete) {
        FILE *file = fopen(word[5], "r");
        if (!file) die("load: cannot read '%s': %s", word[5], strerror(errno));
        char line[256];
        for (int i = 0; i < count; i++) {
            if (!fgets(line, sizeof line, file)) die("load: '%s' has only %d handles", word[5], i);
            line[strcspn(line, "\n")] = 0;
            handles[i] = strdup(line);
        }
        fclose(file);
    }
    sockets = calloc(threads, sizeof *sockets);
    for (int i = 0; i < threads; i++) sockets[i] = connect_to(word[1]);
    measure(verb, count, threads, work);
    if (work == create) {
        FILE *file = fopen(word[5], "w");
        if (!file) die("load: cannot write '%s': %s", word[5], strerror(errno));
        for (int i = 0; i < count; i++) fprintf(file, "%s\n", handles[i]);
        if (fclose(file) != 0) die("load: cannot write '%s': %s", word[5], strerror(errno));
    }
}
