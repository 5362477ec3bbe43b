/* SPDX-License-Identifier: MIT
 * What of kqueue our code names, so that its half is at least compiled on Linux. */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned int fflags;
    intptr_t data;
    void *udata;
};

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISPATCH 0x0080
#define EV_EOF 0x8000
#define EV_SET(event, a, b, c, d, e, f) \
    (*(event) = (struct kevent){(a), (b), (unsigned short)(c), (d), (e), (f)})

int kqueue(void);
int kevent(int, const struct kevent *, int, struct kevent *, int, const struct timespec *);
