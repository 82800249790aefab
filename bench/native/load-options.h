/* The options of load.c: read once, before anything else. What they mean is said there. */
#ifndef WAKEONE_BENCH_LOAD_OPTIONS_H
#define WAKEONE_BENCH_LOAD_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* Requests that ask for work must arrive as one read: they fit into one segment. */
#define LOAD_MOST_WORK_BYTES 1024

static struct {
  const char *host;
  int port, connections, depth, size;
  uint64_t requests, warmup, work_every, transfer, seed;
  double seconds, stall_seconds, max_seconds;
  bool idle;
  struct clock_pids cpu_of;
} options = {
    .host = "127.0.0.1", .connections = 64, .depth = 1, .size = 64, .seed = 1,
    .stall_seconds = 10, .max_seconds = 300,
};

static double load_number(const char *option, const char *text, double least, double most) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= least && value <= most)) {
    fprintf(stderr, "--%s takes a number from %g to %g, got '%s'\n", option, least, most, text);
    exit(2);
  }
  return value;
}

static struct clock_pids load_pids(char *text) {
  struct clock_pids list = {0};
  for (char *rest = NULL, *word = strtok_r(text, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
    if (list.count == CLOCK_PIDS) {
      fprintf(stderr, "--cpu-of takes at most %d pids\n", CLOCK_PIDS);
      exit(2);
    }
    list.pids[list.count++] = (pid_t)load_number("cpu-of", word, 1, 4194304);
  }
  return list;
}

static void load_parse(int argc, char **argv) {
  static const struct option known[] = {
      {"host", required_argument, NULL, 'h'},     {"port", required_argument, NULL, 'p'},
      {"connections", required_argument, NULL, 'c'}, {"depth", required_argument, NULL, 'd'},
      {"size", required_argument, NULL, 's'},     {"requests", required_argument, NULL, 'n'},
      {"seconds", required_argument, NULL, 't'},  {"warmup", required_argument, NULL, 'w'},
      {"work-every", required_argument, NULL, 'e'},
      {"transfer", required_argument, NULL, 'x'}, {"seed", required_argument, NULL, 'r'},
      {"idle", no_argument, NULL, 'i'},           {"cpu-of", required_argument, NULL, 'u'},
      {"stall-seconds", required_argument, NULL, 'l'}, {"max-seconds", required_argument, NULL, 'm'},
      {NULL, 0, NULL, 0},
  };
  const double many = 9e15;
  int found;
  while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (found) {
      case 'h': options.host = optarg; break;
      case 'p': options.port = (int)load_number("port", optarg, 1, 65535); break;
      case 'c': options.connections = (int)load_number("connections", optarg, 1, 1e6); break;
      case 'd': options.depth = (int)load_number("depth", optarg, 1, 1024); break;
      case 's': options.size = (int)load_number("size", optarg, 1, 1 << 24); break;
      case 'n': options.requests = (uint64_t)load_number("requests", optarg, 1, many); break;
      case 't': options.seconds = load_number("seconds", optarg, 0.001, 3600); break;
      case 'w': options.warmup = (uint64_t)load_number("warmup", optarg, 0, many); break;
      case 'e': options.work_every = (uint64_t)load_number("work-every", optarg, 0, many); break;
      case 'x': options.transfer = (uint64_t)load_number("transfer", optarg, 1, many); break;
      case 'r': options.seed = (uint64_t)load_number("seed", optarg, 0, many); break;
      case 'i': options.idle = true; break;
      case 'u': options.cpu_of = load_pids(optarg); break;
      case 'l': options.stall_seconds = load_number("stall-seconds", optarg, 0.1, 3600); break;
      case 'm': options.max_seconds = load_number("max-seconds", optarg, 1, 86400); break;
      default: exit(2);
    }
  }
  if (options.port == 0 || optind != argc) {
    fprintf(stderr, "load: --port is needed, and nothing but options\n");
    exit(2);
  }
  if ((options.requests != 0) + (options.seconds != 0) + (options.transfer != 0) + options.idle > 1) {
    fprintf(stderr, "load: one of --requests, --seconds, --transfer, --idle\n");
    exit(2);
  }
  if (options.work_every != 0 && (options.depth != 1 || options.size > LOAD_MOST_WORK_BYTES)) {
    fprintf(stderr, "load: --work-every goes with --depth 1 and a --size of at most %d\n", LOAD_MOST_WORK_BYTES);
    exit(2);
  }
  if (options.requests == 0 && options.seconds == 0) options.requests = 100000;
}

#endif
