/* What a request can ask for: CPU time between its read and the answer. It does so by its first byte, and a server takes
 * one read for one request: the load generator sends no more before the answer.
 *
 * Work is a number of steps of xorshift32, the same in all servers (bench/servers/work.ts), whatever a step costs in each:
 * a loop that watches a clock would take being preempted for work done. */
#ifndef WAKEONE_BENCH_WORK_H
#define WAKEONE_BENCH_WORK_H

#include <stdint.h>

#define WORK_MARK 0u

static inline void work_for(uint32_t steps) {
  uint32_t x = 2463534242u;
  for (uint32_t i = 0; i < steps; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
  }
  __asm__ volatile("" : : "r"(x)); /* the result counts as used: the loop stays */
}

#endif
