/* Latencies in nanoseconds, in buckets of at most 1/64 of their value (1.6 %), exact below 64. */
#ifndef WAKEONE_BENCH_HISTOGRAM_H
#define WAKEONE_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_BUCKETS (59 * HISTOGRAM_STEPS)

struct histogram {
  uint64_t count, max;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *histogram, uint64_t value) {
  uint64_t index = value;
  if (value >= HISTOGRAM_STEPS) {
    int exponent = 63 - __builtin_clzll(value);
    index = (uint64_t)(exponent - 5) * HISTOGRAM_STEPS + ((value >> (exponent - 6)) & (HISTOGRAM_STEPS - 1));
  }
  histogram->buckets[index]++;
  histogram->count++;
  if (value > histogram->max) histogram->max = value;
}

/* The least value that `permille` thousandths of the samples do not exceed, rounded up to its bucket's end. */
static inline uint64_t histogram_at(const struct histogram *histogram, uint64_t permille) {
  uint64_t rank = (histogram->count * permille + 999) / 1000, seen = 0;
  if (rank == 0) return 0;
  for (uint64_t index = 0; index < HISTOGRAM_BUCKETS; index++) {
    seen += histogram->buckets[index];
    if (seen < rank) continue;
    uint64_t end = index;
    if (index >= HISTOGRAM_STEPS) {
      uint64_t exponent = index / HISTOGRAM_STEPS + 5, mantissa = HISTOGRAM_STEPS + index % HISTOGRAM_STEPS;
      end = ((mantissa + 1) << (exponent - 6)) - 1;
    }
    return end < histogram->max ? end : histogram->max;
  }
  return histogram->max;
}

#endif
