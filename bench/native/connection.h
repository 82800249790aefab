/* One connection of a C echo server: what was read and could not be written yet, and one step of the echo.
 *
 * A connection owns memory for output only while the kernel's send buffer is full, and nothing is read meanwhile, so
 * at most one read (64 KiB) is ever pending. Only the thread that holds the connection's event may touch it. */
#ifndef WAKEONE_BENCH_CONNECTION_H
#define WAKEONE_BENCH_CONNECTION_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "work.h"

#define READ_BYTES (64 * 1024)

struct connection {
  int fd;
  bool readable; /* edge mode: an event said so, and no read has come back short since */
  bool ending;   /* the peer's end was announced: a short read no longer means that nothing follows */
  size_t pending_from, pending_to;
  char *pending; /* NULL unless output waits */
};

enum step {
  STEP_MORE,    /* a full read: there may be more */
  STEP_DRAINED, /* nothing more to read for now */
  STEP_BLOCKED, /* output waits for room */
  STEP_CLOSED   /* the end or an error: the connection is gone, its memory too */
};

static inline struct connection *connection_open(int fd) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) abort();
  connection->fd = fd;
  return connection;
}

static inline enum step connection_close(struct connection *connection) {
  close(connection->fd);
  free(connection->pending);
  free(connection);
  return STEP_CLOSED;
}

/* Writes bytes until done (the count returned equals `count`) or the send buffer is full; -1 on an error. */
static inline ssize_t connection_write(int fd, const char *bytes, size_t count) {
  size_t done = 0;
  while (done < count) {
    ssize_t n = write(fd, bytes + done, count - done);
    if (n >= 0) {
      done += (size_t)n;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      return -1;
    }
  }
  return (ssize_t)done;
}

/* Sends what waits. STEP_MORE means that all of it went out. */
static inline enum step connection_flush(struct connection *connection) {
  if (connection->pending == NULL) return STEP_MORE;
  ssize_t n = connection_write(connection->fd, connection->pending + connection->pending_from,
                               connection->pending_to - connection->pending_from);
  if (n < 0) return connection_close(connection);
  connection->pending_from += (size_t)n;
  if (connection->pending_from < connection->pending_to) return STEP_BLOCKED;
  free(connection->pending);
  connection->pending = NULL;
  return STEP_MORE;
}

/* One read and its echo, with `work_steps` of work before it if it asks for work. `buffer` holds READ_BYTES and belongs to
 * the calling thread. Output must not be pending. */
static inline enum step connection_echo(struct connection *connection, char *buffer, uint32_t work_steps) {
  ssize_t n;
  do {
    n = read(connection->fd, buffer, READ_BYTES);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return STEP_DRAINED;
  if (n <= 0) return connection_close(connection);
  if (work_steps != 0 && (unsigned char)buffer[0] == WORK_MARK) work_for(work_steps);
  ssize_t written = connection_write(connection->fd, buffer, (size_t)n);
  if (written < 0) return connection_close(connection);
  if (written < n) {
    connection->pending_from = 0;
    connection->pending_to = (size_t)(n - written);
    connection->pending = malloc(connection->pending_to);
    if (connection->pending == NULL) abort();
    memcpy(connection->pending, buffer + written, connection->pending_to);
    return STEP_BLOCKED;
  }
  return n == READ_BYTES || connection->ending ? STEP_MORE : STEP_DRAINED;
}

#endif
