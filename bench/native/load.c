/* Load generator: one thread, C connections, every echoed byte verified, one JSON line at the end. It is always bounded:
 * by requests or seconds, by a stall limit (no byte for --stall-seconds) and by --max-seconds for all of it.
 *
 *   load --port P [--connections 64] [--depth 1] [--size 64] [--requests N | --seconds S] [--warmup W] [--cpu-of PID,…]
 *        [--work-every E]
 *     Requests. Each connection keeps `depth` requests of `size` bytes outstanding. After W requests of warm-up, which
 *     are waited for, come the measured ones. --cpu-of reads the CPU clocks of the server's processes at exactly the
 *     beginning and the end of the measured part. With --work-every each E-th request asks the server for work (work.h);
 *     the latencies of these are kept apart.
 *   load --port P --transfer BYTES [--connections C] [--seed X]
 *     Each connection sends BYTES in chunks of random size, then ends its side, and wants all of them back, then the
 *     server's end. Connections with an odd number do not read before nothing more can be written, so that every buffer
 *     on the way fills up, the server's too if it is bounded: one that then forgets to read or write again stalls here.
 *   load --port P --idle [--connections C]
 *     One request on each connection, then a line {"idle":true,…}; the connections stay open until stdin ends.
 *
 * Exit code: 0 all bytes right, 1 anything else, 2 wrong usage. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "clock.h"
#include "histogram.h"
#include "load-options.h"
#include "pattern.h"

#define BATCH 256
#define SMALL_BUFFER (64 * 1024)
#define FULL_AFTER_MS 20 /* transfer: nothing moved for so long, so everything is full */

struct connection {
  int fd;
  uint32_t base;     /* where in the pattern its stream begins */
  uint32_t interest; /* what the epoll set has */
  bool closed, greedy;
  bool works;        /* the outstanding request asks for work: its first byte is WORK_MARK, not the pattern's */
  uint64_t sent, goal, received; /* goal: as far as it may send now */
  uint64_t issued, answered;     /* requests */
  uint64_t random, sum_sent, sum_received;
};

static struct connection *connections;
static uint64_t *started; /* connections x depth: when each outstanding request was sent */
static int set;
static uint64_t errors, mismatches;
static unsigned char buffer[PATTERN_CHUNK];

/* The part that runs now. Requests are sent while issued < limit and it is before `until`. */
static struct {
  uint64_t issued, answered, lost, limit, until;
  struct histogram latencies, work_latencies;
} part;

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void set_interest(struct connection *c, uint32_t interest) {
  if (c->interest == interest) return;
  struct epoll_event event = {.events = interest, .data.ptr = c};
  if (epoll_ctl(set, EPOLL_CTL_MOD, c->fd, &event) != 0) die("epoll_ctl");
  c->interest = interest;
}

static void drop(struct connection *c) {
  close(c->fd);
  c->closed = true;
  part.lost += c->issued - c->answered;
}

static void failed(struct connection *c, const char *what, int error) {
  if (errors++ < 5) {
    fprintf(stderr, "load: connection %td: %s%s%s\n", c - connections, what, error ? ": " : "", error ? strerror(error) : "");
  }
  drop(c);
}

static void mismatched(struct connection *c, const char *what) {
  if (mismatches++ < 5) fprintf(stderr, "load: connection %td, position %ju: %s\n", c - connections, (uintmax_t)c->received, what);
  drop(c);
}

/* ---- one read, one write ---- */

/* Whether the stream's byte at `position` is the mark of the outstanding request. */
static bool is_mark(const struct connection *c, uint64_t position) {
  return c->works && position == c->answered * (uint64_t)options.size;
}

/* Reads up to `most` bytes and verifies them. Returns how many; 0: none yet, or the connection was dropped or is done. */
static size_t receive(struct connection *c, size_t most) {
  ssize_t n = read(c->fd, buffer, most);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) failed(c, "read", errno);
    return 0;
  }
  if (n == 0) {
    if (options.transfer != 0 && c->received == options.transfer) drop(c);
    else failed(c, "the server ended the connection early", 0);
    return 0;
  }
  if (c->received + (size_t)n > c->sent) {
    mismatched(c, "more came back than was sent");
    return 0;
  }
  const unsigned char *expected = pattern_at(c->base, c->received);
  size_t marks = is_mark(c, c->received) ? 1 : 0;
  if ((marks != 0 && buffer[0] != WORK_MARK) || memcmp(buffer + marks, expected + marks, (size_t)n - marks) != 0) {
    mismatched(c, "wrong bytes came back");
    return 0;
  }
  if (options.transfer != 0) c->sum_received = checksum(c->sum_received, buffer, (size_t)n);
  c->received += (size_t)n;
  return (size_t)n;
}

/* Sends towards the goal, at most `most` bytes. False: the send buffer is full, or the connection was dropped. */
static bool send_some(struct connection *c, size_t most) {
  size_t count = c->goal - c->sent < most ? (size_t)(c->goal - c->sent) : most;
  const unsigned char *bytes = pattern_at(c->base, c->sent);
  if (is_mark(c, c->sent)) {
    memcpy(buffer, bytes, count);
    buffer[0] = WORK_MARK;
    bytes = buffer;
  }
  ssize_t n = send(c->fd, bytes, count, MSG_NOSIGNAL);
  if (n < 0) {
    if (errno == EINTR) return true;
    if (errno != EAGAIN) failed(c, "write", errno);
    return false;
  }
  if (options.transfer != 0) c->sum_sent = checksum(c->sum_sent, bytes, (size_t)n);
  c->sent += (size_t)n;
  return true;
}

/* ---- requests ---- */

static void request(struct connection *c, uint64_t now) {
  while (c->issued - c->answered < (uint64_t)options.depth && part.issued < part.limit && now < part.until) {
    started[(c - connections) * options.depth + (ptrdiff_t)(c->issued % (uint64_t)options.depth)] = now;
    c->issued++;
    part.issued++;
    c->works = options.work_every != 0 && part.issued % options.work_every == 0;
    c->goal += (uint64_t)options.size;
  }
  while (c->sent < c->goal) {
    if (send_some(c, PATTERN_CHUNK)) continue;
    if (!c->closed) set_interest(c, EPOLLIN | EPOLLOUT);
    return;
  }
  set_interest(c, EPOLLIN);
}

static void on_request_event(struct connection *c, uint32_t events) {
  uint64_t now = 0;
  if (events & ~(uint32_t)EPOLLOUT) {
    if (receive(c, sizeof buffer) == 0) return;
    now = clock_now();
    while (c->received >= (c->answered + 1) * (uint64_t)options.size) {
      uint64_t at = started[(c - connections) * options.depth + (ptrdiff_t)(c->answered % (uint64_t)options.depth)];
      histogram_add(c->works ? &part.work_latencies : &part.latencies, now - at);
      c->answered++;
      part.answered++;
    }
  }
  request(c, now != 0 ? now : clock_now());
}

/* ---- transfer ---- */

static size_t random_size(struct connection *c) {
  uint64_t r = xorshift(&c->random);
  /* small, middle and large ones, each a third of the calls */
  static const size_t most[] = {64, 4096, PATTERN_CHUNK};
  return 1 + (size_t)(r >> 8) % most[r % 3];
}

static void on_transfer_event(struct connection *c, uint32_t events) {
  if (events & EPOLLOUT) {
    bool room = true;
    do {
      room = send_some(c, random_size(c));
    } while (c->greedy && room && c->sent < c->goal);
    if (c->closed) return;
    if (c->sent == c->goal) {
      if (shutdown(c->fd, SHUT_WR) != 0) {
        failed(c, "shutdown", errno);
        return;
      }
      set_interest(c, EPOLLIN);
    }
  }
  if (events & ~(uint32_t)EPOLLOUT) receive(c, random_size(c));
}

/* ---- the loop ---- */

static void on_alarm(int signal_number) {
  (void)signal_number;
  static const char text[] = "load: --max-seconds is over\n";
  ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
  (void)ignored;
  _exit(1);
}

/* Serves events until `done` says so; gives up when nothing moves. */
static void run(bool (*done)(void), void (*on_event)(struct connection *, uint32_t)) {
  struct epoll_event batch[BATCH];
  uint64_t moved_at = clock_now();
  uint64_t stall = (uint64_t)(options.stall_seconds * (double)NS_PER_SECOND);
  while (!done()) {
    int count = epoll_wait(set, batch, BATCH, options.transfer != 0 ? FULL_AFTER_MS : 100);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct connection *c = batch[i].data.ptr;
      if (!c->closed) on_event(c, batch[i].events);
    }
    if (count > 0) {
      moved_at = 0; /* the clock is read only when something stands still */
      continue;
    }
    uint64_t now = clock_now();
    if (moved_at == 0) moved_at = now;
    if (options.transfer != 0) {
      for (int i = 0; i < options.connections; i++) {
        struct connection *c = &connections[i];
        if (!c->closed && c->greedy) set_interest(c, c->interest | EPOLLIN);
      }
    }
    if (now - moved_at > stall) {
      fprintf(stderr, "load: nothing moved for %g s", options.stall_seconds);
      if (options.transfer == 0) {
        fprintf(stderr, ", %ju of %ju requests are answered", (uintmax_t)part.answered, (uintmax_t)part.issued);
      }
      fputc('\n', stderr);
      errors++;
      return;
    }
  }
}

static bool all_closed(void) {
  for (int i = 0; i < options.connections; i++) {
    if (!connections[i].closed) return false;
  }
  return true;
}

/* All that was sent is answered (or lost with its connection), and no more will be sent. */
static bool part_done(void) {
  if (part.answered + part.lost < part.issued) return false;
  return part.issued >= part.limit || clock_now() >= part.until || all_closed();
}

static void run_part(uint64_t requests, double seconds) {
  memset(&part, 0, sizeof part);
  uint64_t now = clock_now();
  part.limit = requests != 0 ? requests : UINT64_MAX;
  part.until = requests != 0 ? UINT64_MAX : now + (uint64_t)(seconds * (double)NS_PER_SECOND);
  for (int i = 0; i < options.connections; i++) {
    if (!connections[i].closed) request(&connections[i], clock_now());
  }
  run(part_done, on_request_event);
}

static void open_connections(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
  if (inet_pton(AF_INET, options.host, &to.sin_addr) != 1) {
    fprintf(stderr, "--host takes an IPv4 address, got '%s'\n", options.host);
    exit(2);
  }
  set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) die("epoll_create1");
  connections = calloc((size_t)options.connections, sizeof *connections);
  started = calloc((size_t)options.connections * (size_t)options.depth, sizeof *started);
  if (connections == NULL || started == NULL) die("calloc");
  for (int i = 0; i < options.connections; i++) {
    struct connection *c = &connections[i];
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket");
    if (options.transfer != 0) {
      int bytes = SMALL_BUFFER; /* so that full buffers are reached with few bytes */
      setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
      setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
    struct timeval patience = {.tv_sec = 10}; /* bounds connect(2) too */
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect");
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) die("fcntl");
    c->base = (uint32_t)((uint64_t)i * 7919u % PATTERN_PERIOD);
    c->random = (options.seed + (uint64_t)i) * 0x9e3779b97f4a7c15u | 1u;
    c->sum_sent = c->sum_received = CHECKSUM_START;
    c->greedy = options.transfer != 0 && i % 2 == 1;
    c->goal = options.transfer;
    c->interest = options.transfer == 0 ? EPOLLIN : c->greedy ? EPOLLOUT : EPOLLIN | EPOLLOUT;
    struct epoll_event event = {.events = c->interest, .data.ptr = c};
    if (epoll_ctl(set, EPOLL_CTL_ADD, c->fd, &event) != 0) die("epoll_ctl");
  }
}

/* ---- the three modes ---- */

static double us(uint64_t ns) { return (double)ns / 1000.0; }

static void requests_mode(void) {
  if (options.warmup != 0) run_part(options.warmup, 0);
  struct timespec begin, end;
  uint64_t load_cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), server_cpu = clock_cpu_of(&options.cpu_of);
  clock_gettime(CLOCK_REALTIME, &begin);
  uint64_t from = clock_now();
  run_part(options.requests, options.seconds);
  uint64_t to = clock_now();
  clock_gettime(CLOCK_REALTIME, &end);
  server_cpu = clock_cpu_of(&options.cpu_of) - server_cpu;
  load_cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - load_cpu;
  printf("{\"requests\":%ju,\"seconds\":%.6f,\"errors\":%ju,\"mismatches\":%ju,\"p50us\":%.1f,\"p99us\":%.1f,"
         "\"p999us\":%.1f,\"maxus\":%.1f,\"workP50us\":%.1f,\"workP99us\":%.1f,\"serverCpuSeconds\":%.9f,\"loadCpuSeconds\":%.9f,"
         "\"beganAt\":%jd.%06ld,\"endedAt\":%jd.%06ld}\n",
         (uintmax_t)part.answered, (double)(to - from) / (double)NS_PER_SECOND, (uintmax_t)errors, (uintmax_t)mismatches,
         us(histogram_at(&part.latencies, 500)), us(histogram_at(&part.latencies, 990)),
         us(histogram_at(&part.latencies, 999)), us(part.latencies.max),
         us(histogram_at(&part.work_latencies, 500)), us(histogram_at(&part.work_latencies, 990)),
         (double)server_cpu / (double)NS_PER_SECOND,
         (double)load_cpu / (double)NS_PER_SECOND, (intmax_t)begin.tv_sec, begin.tv_nsec / 1000, (intmax_t)end.tv_sec,
         end.tv_nsec / 1000);
}

static void transfer_mode(void) {
  uint64_t from = clock_now();
  run(all_closed, on_transfer_event);
  uint64_t to = clock_now(), sent = 0, received = 0, sum_sent = 0, sum_received = 0;
  for (int i = 0; i < options.connections; i++) {
    struct connection *c = &connections[i];
    sent += c->sent;
    received += c->received;
    sum_sent += c->sum_sent;
    sum_received += c->sum_received;
    if (c->closed && c->received == options.transfer && c->sum_sent != c->sum_received) mismatches++;
  }
  printf("{\"transfer\":%ju,\"connections\":%d,\"seconds\":%.6f,\"errors\":%ju,\"mismatches\":%ju,\"bytesSent\":%ju,"
         "\"bytesReceived\":%ju,\"checksumSent\":\"%016jx\",\"checksumReceived\":\"%016jx\"}\n",
         (uintmax_t)options.transfer, options.connections, (double)(to - from) / (double)NS_PER_SECOND, (uintmax_t)errors,
         (uintmax_t)mismatches, (uintmax_t)sent, (uintmax_t)received, (uintmax_t)sum_sent, (uintmax_t)sum_received);
  uint64_t all = options.transfer * (uint64_t)options.connections;
  if (sent != all || received != all) errors++;
}

static void idle_mode(void) {
  options.depth = 1;
  run_part((uint64_t)options.connections, 0);
  printf("{\"idle\":true,\"pid\":%d,\"connections\":%d,\"answered\":%ju,\"errors\":%ju,\"mismatches\":%ju}\n", (int)getpid(),
         options.connections, (uintmax_t)part.answered, (uintmax_t)errors, (uintmax_t)mismatches);
  fflush(stdout);
  struct pollfd waits[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = set, .events = POLLIN}};
  while (errors == 0 && mismatches == 0) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) die("poll");
    if (waits[1].revents != 0) {
      fprintf(stderr, "load: an idle connection was ended, or bytes came on it\n");
      errors++;
    }
    if (waits[0].revents != 0 && read(STDIN_FILENO, buffer, sizeof buffer) <= 0) return;
  }
}

int main(int argc, char **argv) {
  load_parse(argc, argv);
  signal(SIGALRM, on_alarm);
  alarm((unsigned)options.max_seconds);
  pattern_fill();
  open_connections();
  if (options.idle) idle_mode();
  else if (options.transfer != 0) transfer_mode();
  else requests_mode();
  return errors == 0 && mismatches == 0 ? 0 : 1;
}
