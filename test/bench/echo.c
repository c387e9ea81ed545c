// SPDX-License-Identifier: Apache-2.0
/*
 * Both ends of the latency benchmark, without the overhead of a runtime that would hide the differences.
 *
 *   echo serve PORT                     answers one byte by one byte, TCP and UDP, IPv4; one thread
 *   echo MODE ADDRESS PORT SECONDS      prints the median time of one operation in ns, and how many there were
 *
 * Modes: connect   connect(), then close by RST so that no TIME_WAIT piles up
 *        exchange  connect(), one byte there and back, close by RST
 *        request   one byte there and back over an established connection
 *        datagram  one byte there and back over a connected UDP socket
 *        sendto    the same over an unconnected one
 *        rate      as datagram, 32 at a time; the time is that of one divided by 32
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES_MAX = 1 << 22, EVENTS = 64, BURST = 32 };

static uint32_t samples[SAMPLES_MAX];

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void set(int fd, int level, int option)
{
	int on = 1;

	setsockopt(fd, level, option, &on, sizeof(on));
}

static int open_socket(int type)
{
	int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		err(1, "socket");
	if (type == SOCK_STREAM)
		set(fd, IPPROTO_TCP, TCP_NODELAY);
	return fd;
}

static int connected(int type, const struct sockaddr_in *to)
{
	int fd = open_socket(type);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		err(1, "connect");
	return fd;
}

static void exchange(int fd)
{
	char byte = 'x';

	if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
		err(1, "no answer");
}

static void exchange_unconnected(int fd, const struct sockaddr_in *to)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char byte = 'x';

	if (sendto(fd, &byte, 1, 0, (const struct sockaddr *)to, sizeof(*to)) != 1 ||
	    recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &size) != 1)
		err(1, "no answer");
}

static void reset(int fd)
{
	struct linger abort = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	close(fd);
}

static uint64_t connect_once(const struct sockaddr_in *to, int with_exchange)
{
	uint64_t start = now(), end;
	int fd = connected(SOCK_STREAM, to);

	if (with_exchange)
		exchange(fd);
	else
		end = now();
	reset(fd);
	if (with_exchange)
		end = now();
	return end - start;
}

static uint64_t exchange_once(int fd)
{
	uint64_t start = now();

	exchange(fd);
	return now() - start;
}

static uint64_t sendto_once(int fd, const struct sockaddr_in *to)
{
	uint64_t start = now();

	exchange_unconnected(fd, to);
	return now() - start;
}

static uint64_t burst_once(int fd)
{
	uint64_t start = now();
	char byte = 'x';

	for (int i = 0; i < BURST; i++)
		if (send(fd, &byte, 1, 0) != 1)
			err(1, "send");
	for (int i = 0; i < BURST; i++)
		if (recv(fd, &byte, 1, 0) != 1)
			err(1, "no answer");
	return (now() - start) / BURST;
}

static uint64_t once(const char *mode, int fd, const struct sockaddr_in *to)
{
	if (!strcmp(mode, "connect") || !strcmp(mode, "exchange"))
		return connect_once(to, !strcmp(mode, "exchange"));
	if (!strcmp(mode, "sendto"))
		return sendto_once(fd, to);
	return !strcmp(mode, "rate") ? burst_once(fd) : exchange_once(fd);
}

/* What the operations of a mode share, if anything. */
static int shared_socket(const char *mode, const struct sockaddr_in *to)
{
	if (!strcmp(mode, "connect") || !strcmp(mode, "exchange"))
		return -1;
	if (!strcmp(mode, "sendto"))
		return open_socket(SOCK_DGRAM);
	return connected(!strcmp(mode, "request") ? SOCK_STREAM : SOCK_DGRAM, to);
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void measure(const char *mode, const struct sockaddr_in *to, double seconds)
{
	uint64_t end = now() + (uint64_t)(seconds * 1e9);
	int fd = shared_socket(mode, to);
	size_t count = 0;

	while (now() < end && count < SAMPLES_MAX)
		samples[count++] = once(mode, fd, to);
	qsort(samples, count, sizeof(samples[0]), ascending);
	printf("%u %zu\n", samples[count / 2], count);
}

static int listening(int type, const struct sockaddr_in *at)
{
	int fd = open_socket(type);

	set(fd, SOL_SOCKET, SO_REUSEADDR);
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) || (type == SOCK_STREAM && listen(fd, 4096)))
		err(1, "bind");
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void answer(int fd)
{
	char buffer[64];
	ssize_t length = recv(fd, buffer, sizeof(buffer), 0);

	if (length <= 0 || send(fd, buffer, length, 0) != length)
		close(fd);
}

static void answer_datagram(int fd)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char buffer[64];
	ssize_t length = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &size);

	if (length >= 0)
		sendto(fd, buffer, length, 0, (struct sockaddr *)&from, size);
}

static void serve(const struct sockaddr_in *at)
{
	int tcp = listening(SOCK_STREAM, at), udp = listening(SOCK_DGRAM, at), epoll = epoll_create1(0);
	struct epoll_event events[EVENTS];

	watch(epoll, tcp);
	watch(epoll, udp);
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		int ready = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;

			if (fd == udp)
				answer_datagram(fd);
			else if (fd != tcp)
				answer(fd);
			else if ((fd = accept(tcp, NULL, NULL)) >= 0) {
				set(fd, IPPROTO_TCP, TCP_NODELAY);
				watch(epoll, fd);
			}
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	if (argc == 3 && !strcmp(argv[1], "serve")) {
		address.sin_port = htons(atoi(argv[2]));
		serve(&address);
	}
	if (argc != 5 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		errx(2, "usage: echo serve PORT | echo connect|exchange|request|datagram|sendto|rate ADDRESS PORT SECONDS");
	address.sin_port = htons(atoi(argv[3]));
	measure(argv[1], &address, atof(argv[4]));
	return 0;
}
