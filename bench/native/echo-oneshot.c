/* Baseline "C oneshot": the usual way to let N threads share one epoll set with each descriptor active in one thread at
 * a time. All threads wait on the set, every connection is EPOLLONESHOT, and EPOLL_CTL_MOD re-arms it after each echo.
 *
 * Each wait takes one event (--batch 1, the default). A thread that takes several makes the others of its batch wait
 * behind the one that it serves, whoever else is idle; with one event per wait the kernel's ready list is the shared
 * queue, which is the promise that wakeone makes too, and so the fair comparison. It costs an epoll_wait per echo:
 * --batch 64 shows what that is (the contender c-oneshot-batch).
 *
 * One read per event: the re-arm tests the descriptor again, so what is left comes back as the next event.
 * The listener is EPOLLONESHOT too: a thread drains it and re-arms it. */
#define _GNU_SOURCE
#include <pthread.h>

#include "connection.h"
#include "serve.h"

static struct serve_options options;
static int set, listener, stop;

static void arm(int operation, int fd, void *source, uint32_t events) {
  struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = source};
  if (epoll_ctl(set, operation, fd, &event) != 0) serve_die("epoll_ctl");
}

/* After the re-arm another thread may already hold, or have freed, the connection: it is not touched again. */
static void serve(struct connection *connection, char *buffer) {
  enum step step = connection_flush(connection);
  if (step == STEP_MORE) step = connection_echo(connection, buffer, options.work_steps);
  switch (step) {
    case STEP_CLOSED: return;
    case STEP_BLOCKED: arm(EPOLL_CTL_MOD, connection->fd, connection, EPOLLOUT); return;
    case STEP_MORE:
    case STEP_DRAINED: arm(EPOLL_CTL_MOD, connection->fd, connection, EPOLLIN | EPOLLRDHUP); return;
  }
}

static void *work(void *unused) {
  (void)unused;
  char *buffer = malloc(READ_BYTES);
  struct epoll_event *batch = calloc((size_t)options.batch, sizeof *batch);
  if (buffer == NULL || batch == NULL) abort();
  for (;;) {
    int count = epoll_wait(set, batch, options.batch, -1);
    if (count < 0 && errno != EINTR) serve_die("epoll_wait");
    for (int i = 0; i < count; i++) {
      void *source = batch[i].data.ptr;
      if (source == &stop) _exit(0);
      if (source != &listener) {
        serve(source, buffer);
        continue;
      }
      int fd;
      while ((fd = serve_accept(listener)) >= 0) arm(EPOLL_CTL_ADD, fd, connection_open(fd), EPOLLIN | EPOLLRDHUP);
      arm(EPOLL_CTL_MOD, listener, &listener, EPOLLIN);
    }
  }
  return NULL;
}

int main(int argc, char **argv) {
  options = serve_parse(argc, argv);
  struct sockaddr_in bound;
  stop = serve_signals();
  listener = serve_listen(&options, &bound);
  set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) serve_die("epoll_create1");
  arm(EPOLL_CTL_ADD, listener, &listener, EPOLLIN);
  arm(EPOLL_CTL_ADD, stop, &stop, EPOLLIN);
  serve_ready(&options, &bound);
  for (int i = 1; i < options.threads; i++) {
    pthread_t thread;
    if ((errno = pthread_create(&thread, NULL, work, NULL)) != 0) serve_die("pthread_create");
  }
  work(NULL);
}
