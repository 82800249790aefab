/* The bytes that are sent: an endless stream per connection whose byte at any position is known, so that an echo is
 * checked by position. The period is a prime, so a chunk that is lost, doubled, swapped or delivered to another
 * connection does not fit; the buffer repeats its beginning, so any chunk up to PATTERN_CHUNK is contiguous. No byte is
 * WORK_MARK: a request that begins with it asks the server for work. */
#ifndef WAKEONE_BENCH_PATTERN_H
#define WAKEONE_BENCH_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "work.h"

#define PATTERN_PERIOD 65521u
#define PATTERN_CHUNK (64u * 1024u)

static unsigned char pattern_bytes[PATTERN_PERIOD + PATTERN_CHUNK];

/* xorshift64: state must not be 0. */
static inline uint64_t xorshift(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

static inline void pattern_fill(void) {
  uint64_t state = 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < PATTERN_PERIOD; i++) {
    unsigned char byte = (unsigned char)(xorshift(&state) >> 32);
    pattern_bytes[i] = byte == WORK_MARK ? (unsigned char)~WORK_MARK : byte;
  }
  for (size_t i = 0; i < PATTERN_CHUNK; i++) pattern_bytes[PATTERN_PERIOD + i] = pattern_bytes[i % PATTERN_PERIOD];
}

/* The bytes of the stream that begins at `base`, from `position` on; valid for PATTERN_CHUNK bytes. */
static inline const unsigned char *pattern_at(uint32_t base, uint64_t position) {
  return pattern_bytes + (base + position) % PATTERN_PERIOD;
}

/* FNV-1a, continued from `sum`. */
static inline uint64_t checksum(uint64_t sum, const unsigned char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) sum = (sum ^ bytes[i]) * 0x100000001b3u;
  return sum;
}
#define CHECKSUM_START 0xcbf29ce484222325u

#endif
