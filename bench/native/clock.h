/* Time as the load generator needs it: monotonic, wall clock, and the CPU time of other processes. */
#ifndef WAKEONE_BENCH_CLOCK_H
#define WAKEONE_BENCH_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND 1000000000ull
#define CLOCK_PIDS 64

struct clock_pids {
  int count;
  pid_t pids[CLOCK_PIDS];
};

static inline uint64_t clock_ns(clockid_t id) {
  struct timespec at;
  if (clock_gettime(id, &at) != 0) {
    perror("clock_gettime");
    exit(1);
  }
  return (uint64_t)at.tv_sec * NS_PER_SECOND + (uint64_t)at.tv_nsec;
}

static inline uint64_t clock_now(void) { return clock_ns(CLOCK_MONOTONIC); }

/* utime + stime of all threads of the processes, ended threads too, as the scheduler counts it: /proc/<pid>/stat shows
 * the same sum, but cut to ticks of 10 ms. */
static inline uint64_t clock_cpu_of(const struct clock_pids *processes) {
  uint64_t sum = 0;
  for (int i = 0; i < processes->count; i++) {
    clockid_t id;
    int error = clock_getcpuclockid(processes->pids[i], &id);
    if (error != 0) {
      fprintf(stderr, "no CPU clock of process %d: %s\n", (int)processes->pids[i], strerror(error));
      exit(1);
    }
    sum += clock_ns(id);
  }
  return sum;
}

#endif
