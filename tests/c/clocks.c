/* SPDX-License-Identifier: MIT
 *
 * clocks.c - preloaded before libc: the monotonic and the wall clock, moved by hand.
 *
 * A jump forward of the monotonic clock is what a process sees after its virtual machine was
 * paused. Timers of the kernel that are set to an absolute time are moved back, for the kernel's
 * own clock has not jumped.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>

static int64_t monotonic, wall; /* nanoseconds ahead of the kernel's */

void
clocks_move(int64_t monotonic_ns, int64_t wall_ns)
{
    monotonic += monotonic_ns;
    wall += wall_ns;
}

static void
move(struct timespec *time, int64_t ns)
{
    int64_t nsec = time->tv_nsec + ns % 1000000000;
    time->tv_sec += ns / 1000000000 + (nsec >= 1000000000) - (nsec < 0);
    time->tv_nsec = nsec < 0 ? nsec + 1000000000 : nsec >= 1000000000 ? nsec - 1000000000 : nsec;
}

int
clock_gettime(clockid_t id, struct timespec *time)
{
    static int (*next)(clockid_t, struct timespec *);
    if (next == NULL) {
        next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int rc = next(id, time);
    if (rc == 0) {
        int of_day = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
        int of_start = id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE
                       || id == CLOCK_MONOTONIC_RAW || id == CLOCK_BOOTTIME;
        move(time, of_day ? wall : of_start ? monotonic : 0);
    }
    return rc;
}

int
timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    static int (*next)(int, int, const struct itimerspec *, struct itimerspec *);
    if (next == NULL) {
        next = (int (*)(int, int, const struct itimerspec *, struct itimerspec *))dlsym(
            RTLD_NEXT, "timerfd_settime");
    }
    struct itimerspec moved = *new;
    int is_set = new->it_value.tv_sec != 0 || new->it_value.tv_nsec != 0;
    if (is_set && flags & TFD_TIMER_ABSTIME) {
        move(&moved.it_value, -monotonic);
        if (moved.it_value.tv_sec < 0) {
            moved.it_value = (struct timespec){.tv_nsec = 1}; /* long past: at once */
        }
    }
    return next(fd, flags, &moved, old);
}
