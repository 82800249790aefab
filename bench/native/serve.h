/* What the two C echo servers share before the first byte: options, the listener, the signals, the ready line. */
#ifndef WAKEONE_BENCH_SERVE_H
#define WAKEONE_BENCH_SERVE_H

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct serve_options {
  const char *host;
  int port;
  int threads;
  int batch;
  uint32_t work_steps;
};

static inline void serve_die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static inline int serve_number(const char *option, const char *text, long least, long most) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
    fprintf(stderr, "--%s takes a number from %ld to %ld, got '%s'\n", option, least, most, text);
    exit(2);
  }
  return (int)value;
}

static inline struct serve_options serve_parse(int argc, char **argv) {
  static const struct option known[] = {
      {"host", required_argument, NULL, 'h'},
      {"port", required_argument, NULL, 'p'},
      {"threads", required_argument, NULL, 't'},
      {"batch", required_argument, NULL, 'b'},
      {"work-steps", required_argument, NULL, 'w'},
      {NULL, 0, NULL, 0},
  };
  struct serve_options options = {"127.0.0.1", 0, 1, 1, 0};
  int found;
  while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (found) {
      case 'h': options.host = optarg; break;
      case 'p': options.port = serve_number("port", optarg, 0, 65535); break;
      case 't': options.threads = serve_number("threads", optarg, 1, 64); break;
      case 'b': options.batch = serve_number("batch", optarg, 1, 1024); break;
      case 'w': options.work_steps = (uint32_t)serve_number("work-steps", optarg, 0, 1000000000); break;
      default: exit(2);
    }
  }
  return options;
}

/* Blocks SIGTERM and SIGINT in this thread and those it starts later, and returns a descriptor that reads ready when
 * one came: the end is an event like any other, and costs the request path nothing. */
static inline int serve_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) serve_die("sigprocmask");
  signal(SIGPIPE, SIG_IGN);
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) serve_die("signalfd");
  return fd;
}

static inline int serve_listen(const struct serve_options *options, struct sockaddr_in *bound) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) serve_die("socket");
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  memset(bound, 0, sizeof *bound);
  bound->sin_family = AF_INET;
  bound->sin_port = htons((uint16_t)options->port);
  if (inet_pton(AF_INET, options->host, &bound->sin_addr) != 1) {
    fprintf(stderr, "--host takes an IPv4 address, got '%s'\n", options->host);
    exit(2);
  }
  socklen_t length = sizeof *bound;
  if (bind(fd, (struct sockaddr *)bound, length) != 0) serve_die("bind");
  if (listen(fd, SOMAXCONN) != 0) serve_die("listen");
  if (getsockname(fd, (struct sockaddr *)bound, &length) != 0) serve_die("getsockname");
  return fd;
}

static inline void serve_ready(const struct serve_options *options, const struct sockaddr_in *bound) {
  printf("{\"ready\":true,\"pid\":%d,\"threads\":%d,\"echo\":{\"host\":\"%s\",\"port\":%d}}\n", (int)getpid(),
         options->threads, options->host, (int)ntohs(bound->sin_port));
  fflush(stdout);
}

/* The next accepted socket, non-blocking and without Nagle, or -1 when there is none. To run out of descriptors ends
 * the server: a measurement with refused connections would mean nothing. */
static inline int serve_accept(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return fd;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return -1;
    if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
    serve_die("accept4");
  }
}

#endif
