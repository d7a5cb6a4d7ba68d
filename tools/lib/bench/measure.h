// What the floor and the load generator share: threads behind one start, a clock around each call, JSON lines.
#pragma once
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static inline double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

// One measured run: `threads` workers take the numbers 0..<count one after the other.
struct run {
    int count, threads;
    void (*work)(int index, int thread);
    double *taken_ms;
    int next;
    pthread_barrier_t start;
};

struct worker { struct run *run; int thread; };

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    struct run *run = worker->run;
    pthread_barrier_wait(&run->start);
    for (;;) {
        int index = __atomic_fetch_add(&run->next, 1, __ATOMIC_RELAXED);
        if (index >= run->count) return NULL;
        double begin = now_ms();
        run->work(index, worker->thread);
        run->taken_ms[index] = now_ms() - begin;
    }
}

// Runs `count` times `work` on `threads` threads and prints one line of JSON: every time, and the whole.
static inline void measure(const char *verb, int count, int threads, void (*work)(int, int)) {
    struct run run = {.count = count, .threads = threads, .work = work};
    run.taken_ms = calloc(count, sizeof *run.taken_ms);
    pthread_barrier_init(&run.start, NULL, threads + 1);
    pthread_t ids[threads];
    struct worker workers[threads];
    for (int i = 0; i < threads; i++) {
        workers[i] = (struct worker){&run, i};
        if (pthread_create(&ids[i], NULL, run_worker, &workers[i]) != 0) die("cannot start a thread");
    }
    double begin = now_ms();
    pthread_barrier_wait(&run.start);
    for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    double wall = now_ms() - begin;
    printf("{\"verb\":\"%s\",\"threads\":%d,\"wall_ms\":%.3f,\"ms\":[", verb, threads, wall);
    for (int i = 0; i < count; i++) printf("%s%.3f", i ? "," : "", run.taken_ms[i]);
    printf("]}\n");
    fflush(stdout);
    free(run.taken_ms);
}

// A key or user from a file of a Secret: never from the command line, where `ps` shows it.
static inline char *read_word(const char *directory, const char *name) {
    char path[4096], text[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "r");
    if (!file) die("cannot read '%s': %s", path, strerror(errno));
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = 0;
    text[strcspn(text, " \r\n")] = 0;
    if (!*text) die("'%s' is empty", path);
    return strdup(text);
}
