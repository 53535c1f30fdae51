// What every server of the floor does around its work: stay on its core, and answer each line on the standard input
// with what the process has used, as the Python servers do. A thread answers, so that the server watches its sockets only.
#ifndef SERVED_H
#define SERVED_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// The caller shows the last line that a program says as the reason why a row has no figure.
static inline void require(int holds, const char *what) {
    if (!holds) {
        perror(what);
        exit(1);
    }
}

static inline void stay_on(int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    require(sched_setaffinity(0, sizeof cores, &cores) == 0, "sched_setaffinity");
}

static inline long long nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static inline void *answer(void *unused) {
    (void)unused;
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        printf("{\"cpu_ns\": %lld, \"page_faults\": %ld, \"context_switches\": %ld, \"unexpected\": []}\n",
               nanoseconds(CLOCK_PROCESS_CPUTIME_ID), usage.ru_minflt, usage.ru_nvcsw);
        fflush(stdout);
    }
    exit(0);
}

// Says where the server is reached, and begins to answer.
static inline void serve_at(int port) {
    printf("%d\n", port);
    fflush(stdout);
    pthread_t thread;
    require(pthread_create(&thread, NULL, answer, NULL) == 0, "pthread_create");
}

#endif
