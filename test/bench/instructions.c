// SPDX-License-Identifier: Apache-2.0
/*
 * Instructions of a whole path, for a guest that counts them (see test/vm/guest.ts): there one tick of the time stamp
 * counter is one instruction of the only processor, whoever executes it: client, kernel or server.
 *
 *   instructions serve PORT                       takes datagrams and does not read them; accepts connections and closes them
 *   instructions MODE ADDRESS PORT COUNT FROM    prints the instructions of one operation; FROM is the client
 *
 * Modes: packets      a datagram of a flow that goes on
 *        flows        a datagram of a flow of its own
 *        connections  connect(), until the other end has closed, close()
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAYLOAD = 18, FIRST_PORT = 2000, PORTS = 60000 };

static uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static int open_socket(int type, int protocol)
{
	int fd = socket(AF_INET, type, protocol);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

static int connected(int type, const struct sockaddr_in *to)
{
	int fd = open_socket(type, 0);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		err(1, "connect");
	return fd;
}

static int udp, raw;
static uint32_t client;

static void packet(const struct sockaddr_in *to, int i)
{
	char payload[PAYLOAD] = { 0 };

	(void)to;
	(void)i;
	if (send(udp, payload, sizeof(payload), 0) != sizeof(payload))
		err(1, "send");
}

static void flow(const struct sockaddr_in *to, int i)
{
	struct {
		struct iphdr ip;
		struct udphdr udp;
		char payload[PAYLOAD];
	} datagram = {
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tot_len = htons(sizeof(datagram)) },
		.udp = { .len = htons(sizeof(datagram) - sizeof(struct iphdr)) },
	};

	datagram.ip.saddr = client;
	datagram.ip.daddr = to->sin_addr.s_addr;
	datagram.udp.source = htons(FIRST_PORT + i % PORTS);
	datagram.udp.dest = to->sin_port;
	if (sendto(raw, &datagram, sizeof(datagram), 0, (const struct sockaddr *)to, sizeof(*to)) != sizeof(datagram))
		err(1, "sendto");
}

static void connection(const struct sockaddr_in *to, int i)
{
	int fd = connected(SOCK_STREAM, to);
	char byte;

	(void)i;
	if (read(fd, &byte, 1) != 0)
		err(1, "no end of the connection");
	close(fd);
}

static void measure(const char *mode, const struct sockaddr_in *to, int count)
{
	int warm = count / 10;
	void (*once)(const struct sockaddr_in *, int) =
		!strcmp(mode, "packets") ? packet : !strcmp(mode, "flows") ? flow : connection;
	uint64_t begun = 0;

	if (once == packet)
		udp = connected(SOCK_DGRAM, to);
	if (once == flow)
		raw = open_socket(SOCK_RAW, IPPROTO_RAW);
	for (int i = 0; i < warm + count; i++) {
		if (i == warm)
			begun = ticks();
		once(to, i);
	}
	printf("%.1f\n", (double)(ticks() - begun) / count);
}

static void serve(const struct sockaddr_in *at)
{
	int datagrams = open_socket(SOCK_DGRAM, 0), listener = open_socket(SOCK_STREAM, 0), small = 2048, fd;

	/* The buffer is soon full: then every datagram costs the same. */
	setsockopt(datagrams, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (bind(datagrams, (const struct sockaddr *)at, sizeof(*at)) ||
	    bind(listener, (const struct sockaddr *)at, sizeof(*at)) || listen(listener, 1024))
		err(1, "bind");
	printf("listening\n");
	fflush(stdout);
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		close(fd);
	err(1, "accept");
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	if (argc == 3 && !strcmp(argv[1], "serve")) {
		address.sin_port = htons(atoi(argv[2]));
		serve(&address);
	}
	if (argc != 6 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1 || inet_pton(AF_INET, argv[5], &client) != 1)
		errx(2, "usage: instructions serve PORT | instructions packets|flows|connections ADDRESS PORT COUNT FROM");
	address.sin_port = htons(atoi(argv[3]));
	measure(argv[1], &address, atoi(argv[4]));
	return 0;
}
