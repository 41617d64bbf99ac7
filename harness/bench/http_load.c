/* The client of the host benchmarks: GETs PATH of 127.0.0.1:PORT again and
 * again on WIDTH connections at once, COUNT times in all, and prints the
 * seconds.  One thread, a few system calls a request, so that what is measured
 * is the host and not its client. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 65536 };

struct connection {
  int fd;
  size_t have;
  char data[ROOM];
};

static char request[4096];
static int request_size;
static long left;

static void fail(const char *what) {
  fprintf(stderr, "http_load: %s\n", what);
  exit(1);
}

/* Sends the next request; 0: there is none. */
static int next(struct connection *it) {
  it->have = 0;
  if (left <= 0) return 0;
  --left;
  if (send(it->fd, request, request_size, 0) != request_size)
    fail("a request was not taken");
  return 1;
}

/* Whether the answer is whole. */
static int is_whole(struct connection *it) {
  it->data[it->have] = 0;
  char *end = strstr(it->data, "\r\n\r\n");
  if (!end) return 0;
  if (strncmp(it->data, "HTTP/1.1 200", 12) &&
      strncmp(it->data, "HTTP/1.1 500", 12))
    fail(it->data);
  char *length = strcasestr(it->data, "\r\ncontent-length:");
  size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
  return it->have >= (size_t)(end + 4 - it->data) + body;
}

int main(int argc, char **argv) {
  if (argc != 5) fail("PORT PATH WIDTH COUNT");
  int width = atoi(argv[3]), working = 0, poll = epoll_create1(EPOLL_CLOEXEC);
  left = atol(argv[4]);
  request_size =
      snprintf(request, sizeof request,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", argv[2]);
  struct sockaddr_in place = {.sin_family = AF_INET,
                              .sin_port = htons(atoi(argv[1]))};
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct connection *all = calloc(width, sizeof *all);
  struct timespec begun, ended;
  for (int at = 0; at < width; ++at) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[at]};
    all[at].fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(all[at].fd, (struct sockaddr *)&place, sizeof place))
      fail("nobody listens");
    epoll_ctl(poll, EPOLL_CTL_ADD, all[at].fd, &event);
  }
  clock_gettime(CLOCK_MONOTONIC, &begun);
  for (int at = 0; at < width; ++at) working += next(&all[at]);
  while (working) {
    struct epoll_event events[64];
    int count = epoll_wait(poll, events, 64, 60000);
    if (count <= 0) fail("no answer within a minute");
    for (int at = 0; at < count; ++at) {
      struct connection *it = events[at].data.ptr;
      ssize_t size = recv(it->fd, it->data + it->have, ROOM - 1 - it->have, 0);
      if (size <= 0) fail("a connection has ended");
      it->have += size;
      if (is_whole(it) && !next(it)) --working;
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &ended);
  printf("%.6f\n",
         ended.tv_sec - begun.tv_sec + (ended.tv_nsec - begun.tv_nsec) / 1e9);
  return 0;
}
