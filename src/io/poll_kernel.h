/* SPDX-License-Identifier: MIT
 *
 * poll_kernel.h - the kernel's half of poll.c: epoll, or kqueue.
 *
 * All of poll.c that differs between systems.  Every registration carries a
 * generation, which comes back with its events.
 */
#ifndef HOTLOOP_POLL_KERNEL_H
#define HOTLOOP_POLL_KERNEL_H

#include "io/poll.h"

/* Sets of sides: 1 << side. */
enum { POLL_READ_BIT = 1 << POLL_READ, POLL_WRITE_BIT = 1 << POLL_WRITE };

/* What the kernel reports. */
typedef struct PollEvent {
    int fd;
    uint32_t generation;
    unsigned ready;              /* sides */
} PollEvent;

/* Bytes of one record in the buffer that poll_kernel_take() fills. */
extern const size_t poll_kernel_event_size;

/* A new set, which libuv can watch.  0 or errno. */
int poll_kernel_open(int *out);

/* Watch `sides` of fd, and no others; with `once` only until the first event.
 * 0 or errno. */
int poll_kernel_set(int kernel, int fd, unsigned sides, bool once, uint32_t generation);

/* Forget fd, if the kernel has not done so already. */
void poll_kernel_drop(int kernel, int fd);

/* What is ready now, at most `room` records; never waits.  How many. */
int poll_kernel_take(int kernel, void *events, int room);

/* The i-th of them.  Errors and hang-ups wake both sides. */
PollEvent poll_kernel_event(const void *events, int i);

#endif
