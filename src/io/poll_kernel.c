/* SPDX-License-Identifier: MIT
 *
 * poll_kernel.c - the kernel's half of poll.c: epoll, or kqueue.
 */
#include "io/poll_kernel.h"

#ifdef __linux__
#include <sys/epoll.h>

const size_t poll_kernel_event_size = sizeof(struct epoll_event);

int
poll_kernel_open(int *out)
{
    *out = epoll_create1(EPOLL_CLOEXEC);
    return *out < 0 ? errno : 0;
}

/* Most changes are to a descriptor the kernel knows; ENOENT says that it is new
 * or was closed and re-used meanwhile. */
int
poll_kernel_set(int kernel, int fd, unsigned sides, bool once, uint32_t generation)
{
    struct epoll_event event = {
        .events = (sides & POLL_READ_BIT ? EPOLLIN : 0u)
                  | (sides & POLL_WRITE_BIT ? EPOLLOUT : 0u)
                  | (once ? EPOLLONESHOT : 0u),
        .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd,
    };
    if (epoll_ctl(kernel, EPOLL_CTL_MOD, fd, &event) == 0) {
        return 0;
    }
    if (errno == ENOENT && epoll_ctl(kernel, EPOLL_CTL_ADD, fd, &event) == 0) {
        return 0;
    }
    return errno;
}

void
poll_kernel_drop(int kernel, int fd)
{
    struct epoll_event unused = {0};
    epoll_ctl(kernel, EPOLL_CTL_DEL, fd, &unused);
}

/* How many events there are now; never waits. */
int
poll_kernel_take(int kernel, void *events, int room)
{
    int count = epoll_wait(kernel, events, room, 0);
    return count < 0 ? 0 : count;
}

/* Errors and hang-ups wake both sides: a failed connect() must wake its writer. */
PollEvent
poll_kernel_event(const void *events, int i)
{
    const struct epoll_event *event = (const struct epoll_event *)events + i;
    PollEvent out = {
        .fd = (int)(uint32_t)event->data.u64,
        .generation = (uint32_t)(event->data.u64 >> 32),
        .ready = (event->events & ~(uint32_t)EPOLLOUT ? POLL_READ_BIT : 0u)
                 | (event->events & ~(uint32_t)EPOLLIN ? POLL_WRITE_BIT : 0u),
    };
    return out;
}

#else
#include <fcntl.h>
#include <sys/event.h>

const size_t poll_kernel_event_size = sizeof(struct kevent);

int
poll_kernel_open(int *out)
{
    *out = kqueue();
    if (*out < 0) {
        return errno;
    }
    return fcntl(*out, F_SETFD, FD_CLOEXEC) < 0 ? errno : 0;
}

static int
poll_kernel_filter(int kernel, int fd, short filter, unsigned flags,
                   uint32_t generation)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)fd, filter, flags, 0, 0, (void *)(uintptr_t)generation);
    return kevent(kernel, &change, 1, NULL, 0, NULL) < 0 ? errno : 0;
}

/* Here each side is a filter of its own.  EV_DISPATCH disables both of a one-shot
 * wait one by one, so an event for one side leaves the other armed: harmless, it
 * is armed again with a newer generation or its event is dropped as an old one. */
int
poll_kernel_set(int kernel, int fd, unsigned sides, bool once, uint32_t generation)
{
    static const short filters[2] = {EVFILT_READ, EVFILT_WRITE};
    unsigned flags = EV_ADD | EV_ENABLE | (once ? EV_DISPATCH : 0u);
    for (int side = POLL_READ; side <= POLL_WRITE; side++) {
        if (!(sides & 1u << side)) {
            poll_kernel_filter(kernel, fd, filters[side], EV_DELETE, 0);
            continue;
        }
        int error = poll_kernel_filter(kernel, fd, filters[side], flags, generation);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

void
poll_kernel_drop(int kernel, int fd)
{
    poll_kernel_filter(kernel, fd, EVFILT_READ, EV_DELETE, 0);
    poll_kernel_filter(kernel, fd, EVFILT_WRITE, EV_DELETE, 0);
}

int
poll_kernel_take(int kernel, void *events, int room)
{
    struct timespec now = {0};
    int count = kevent(kernel, NULL, 0, events, room, &now);
    return count < 0 ? 0 : count;
}

PollEvent
poll_kernel_event(const void *events, int i)
{
    const struct kevent *event = (const struct kevent *)events + i;
    PollEvent out = {
        .fd = (int)event->ident,
        .generation = (uint32_t)(uintptr_t)event->udata,
        .ready = event->flags & EV_EOF           ? POLL_READ_BIT | POLL_WRITE_BIT
                 : event->filter == EVFILT_WRITE ? POLL_WRITE_BIT
                                                 : POLL_READ_BIT,
    };
    return out;
}

#endif
