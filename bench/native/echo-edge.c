/* Baseline "C edge": the least that an echo server on epoll can cost. One thread, every connection registered once,
 * edge-triggered, for life. An echo is one read and one write, and one epoll_wait serves a whole batch of them.
 *
 * A short read counts as drained, which saves the read that would only say EAGAIN; not when the peer's end was
 * announced with the data, since no further edge would come for it.
 *
 * EPOLLOUT is in the mask for life: the kernel wakes for it only after a write found the buffer full, so it costs one
 * event per connection, at the registration.
 *
 * A connection is served until it is drained; there is no budget per turn. That is fit for a load that waits for its
 * answers, and for nothing else. */
#define _GNU_SOURCE
#include "connection.h"
#include "serve.h"

#define BATCH 256

static struct serve_options options;
static char buffer[READ_BYTES];

static void serve(struct connection *connection, uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) connection->readable = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) connection->ending = true;
  if (connection_flush(connection) != STEP_MORE) return;
  while (connection->readable) {
    switch (connection_echo(connection, buffer, options.work_steps)) {
      case STEP_MORE: break;
      case STEP_DRAINED: connection->readable = false; break;
      case STEP_BLOCKED: return; /* still readable: the EPOLLOUT edge continues here */
      case STEP_CLOSED: return;
    }
  }
}

int main(int argc, char **argv) {
  options = serve_parse(argc, argv);
  if (options.threads != 1) {
    fprintf(stderr, "echo-edge has one thread\n");
    return 2;
  }
  struct sockaddr_in bound;
  int stop = serve_signals();
  int listener = serve_listen(&options, &bound);
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) serve_die("epoll_create1");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
  if (epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) != 0) serve_die("epoll_ctl");
  event.data.ptr = &stop;
  if (epoll_ctl(set, EPOLL_CTL_ADD, stop, &event) != 0) serve_die("epoll_ctl");
  serve_ready(&options, &bound);

  struct epoll_event batch[BATCH];
  for (;;) {
    int count = epoll_wait(set, batch, BATCH, -1);
    if (count < 0 && errno != EINTR) serve_die("epoll_wait");
    for (int i = 0; i < count; i++) {
      void *source = batch[i].data.ptr;
      if (source == &stop) return 0;
      if (source != &listener) {
        serve(source, batch[i].events);
        continue;
      }
      int fd;
      while ((fd = serve_accept(listener)) >= 0) {
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.ptr = connection_open(fd);
        if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) serve_die("epoll_ctl");
      }
    }
  }
}
