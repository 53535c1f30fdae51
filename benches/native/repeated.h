// How a row without a server is measured: a warm-up, some repetitions, and the medians as one line of JSON.
#ifndef REPEATED_H
#define REPEATED_H

#include "served.h"

enum { REPEAT_MAX = 100 };

static inline int compare(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

static inline double median(double *values, int count) {
    qsort(values, count, sizeof *values, compare);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static inline int measure(void (*program)(long), long count, int repeat) {
    double cpu[REPEAT_MAX], wall[REPEAT_MAX];
    require(repeat > 0 && repeat <= REPEAT_MAX && count > 0, "count, repeat");
    program(count / 10 + 1);
    for (int i = 0; i < repeat; i++) {
        long long cpu_begin = nanoseconds(CLOCK_PROCESS_CPUTIME_ID), wall_begin = nanoseconds(CLOCK_MONOTONIC);
        program(count);
        cpu[i] = (double)(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin) / count;
        wall[i] = (double)(nanoseconds(CLOCK_MONOTONIC) - wall_begin) / count;
    }
    printf("{\"figures\": {\"cpu_ns\": %.1f, \"wall_ns\": %.1f}}\n", median(cpu, repeat), median(wall, repeat));
    return 0;
}

#endif
