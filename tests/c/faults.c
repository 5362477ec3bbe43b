/* SPDX-License-Identifier: MIT
 *
 * faults.c - preloaded before libc: the n-th call of one function fails with a given errno,
 * that one alone or all from then on; or everything that sends takes one byte at a time.
 *
 * For tests of what the loop does when the kernel refuses. Armed and read through ctypes;
 * one thread only, the counters are plain. close() really closes before it says EINTR or
 * EIO, as the kernel does.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

static char armed[32];
static int countdown, code, hits, calls, going_on, one_byte;

void
fault_arm(const char *name, int nth, int error)
{
    strncpy(armed, name, sizeof(armed) - 1);
    countdown = nth;
    code = error;
    hits = calls = going_on = 0;
}

/* Not the n-th call alone fails but each one from it on. */
void
fault_go_on(void)
{
    going_on = 1;
}

/* From now on (or no longer) what sends to a socket takes one byte. */
void
fault_one_byte(int on)
{
    one_byte = on;
}

void
fault_disarm(void)
{
    armed[0] = '\0';
}

int
fault_hits(void)
{
    return hits;
}

/* How often the armed function was called. */
int
fault_calls(void)
{
    return calls;
}

static int
fault_strikes(const char *name)
{
    if (strcmp(armed, name) != 0) {
        return 0;
    }
    calls++;
    if (--countdown != 0 && !(going_on && countdown < 0)) {
        return 0;
    }
    hits++;
    errno = code;
    return 1;
}

#define FAULTY(type, name, parameters, arguments)                        \
    type name parameters                                                 \
    {                                                                    \
        static type(*next) parameters;                                   \
        if (next == NULL) {                                              \
            next = (type(*) parameters)dlsym(RTLD_NEXT, #name);          \
        }                                                                \
        return fault_strikes(#name) ? (type)-1 : next arguments;         \
    }

FAULTY(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
FAULTY(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
FAULTY(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
FAULTY(int, epoll_create1, (int flags), (flags))
FAULTY(int, epoll_ctl, (int e, int op, int fd, struct epoll_event *v), (e, op, fd, v))
FAULTY(int, eventfd, (unsigned int start, int flags), (start, flags))
FAULTY(pid_t, fork, (void), ())
FAULTY(int, getpeername, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
FAULTY(int, getsockname, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
FAULTY(int, getsockopt, (int fd, int l, int o, void *v, socklen_t *n), (fd, l, o, v, n))
FAULTY(int, listen, (int fd, int backlog), (fd, backlog))
FAULTY(int, pipe2, (int fds[2], int flags), (fds, flags))
FAULTY(int, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), (fd, l, o, v, n))
FAULTY(int, shutdown, (int fd, int how), (fd, how))
FAULTY(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
FAULTY(int, socketpair, (int domain, int type, int protocol, int fds[2]),
       (domain, type, protocol, fds))
FAULTY(int, timerfd_create, (int clock, int flags), (clock, flags))
FAULTY(ssize_t, read, (int fd, void *b, size_t n), (fd, b, n))
FAULTY(ssize_t, recv, (int fd, void *b, size_t n, int flags), (fd, b, n, flags))
FAULTY(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
FAULTY(int, recvmmsg,
       (int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t),
       (fd, m, n, flags, t))
FAULTY(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned n, int flags),
       (fd, m, n, flags))
FAULTY(int, epoll_pwait,
       (int e, struct epoll_event *v, int n, int timeout, const sigset_t *s),
       (e, v, n, timeout, s))
FAULTY(int, timerfd_settime,
       (int fd, int flags, const struct itimerspec *v, struct itimerspec *o),
       (fd, flags, v, o))

/* dup() as libuv and Python do it.  fcntl64() is what programs call by the name of fcntl(). */
int
fcntl64(int fd, int command, ...)
{
    static int (*next)(int, int, ...);
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (next == NULL) {
        next = (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64");
    }
    return command == F_DUPFD_CLOEXEC && fault_strikes("dup") ? -1
                                                              : next(fd, command, argument);
}

/* Of what has one argument, as all calls here have. */
int
ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (next == NULL) {
        next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    }
    return fault_strikes("ioctl") ? -1 : next(fd, request, argument);
}

int
close(int fd)
{
    static int (*next)(int);
    if (next == NULL) {
        next = (int (*)(int))dlsym(RTLD_NEXT, "close");
    }
    int strikes = fault_strikes("close");
    int rc = next(fd);
    if (strikes) {
        errno = code;
        return -1;
    }
    return rc;
}

/* What of a list of buffers is sent when only one byte is: its first byte, if it has any. */
static struct iovec
first_byte(const struct iovec *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].iov_len > 0) {
            return (struct iovec){.iov_base = v[i].iov_base, .iov_len = 1};
        }
    }
    return (struct iovec){0};
}

static int
is_socket(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISSOCK(about.st_mode);
}

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

ssize_t
send(int fd, const void *b, size_t n, int flags)
{
    if (fault_strikes("send")) {
        return -1;
    }
    return NEXT(send)(fd, b, one_byte && n > 1 ? 1 : n, flags);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
    if (fault_strikes("sendmsg")) {
        return -1;
    }
    struct iovec first = first_byte(m->msg_iov, m->msg_iovlen);
    struct msghdr less = *m;
    less.msg_iov = &first;
    less.msg_iovlen = 1;
    return NEXT(sendmsg)(fd, one_byte ? &less : m, flags);
}

ssize_t
write(int fd, const void *b, size_t n)
{
    if (fault_strikes("write")) {
        return -1;
    }
    return NEXT(write)(fd, b, one_byte && n > 1 && is_socket(fd) ? 1 : n);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
    if (fault_strikes("writev")) {
        return -1;
    }
    struct iovec first = first_byte(v, (size_t)n);
    int less = one_byte && is_socket(fd);
    return NEXT(writev)(fd, less ? &first : v, less ? 1 : n);
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
               void *arg)
{
    return fault_strikes("pthread_create") ? code
                                           : NEXT(pthread_create)(thread, attributes, run, arg);
}
