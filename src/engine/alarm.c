/* SPDX-License-Identifier: MIT
 *
 * alarm.c - what wakes a blocking poll when the earliest timer is due.
 *
 * The alarm is only ever moved to an earlier time.  When the timer it was set
 * for is cancelled it rings once for nothing, which is cheaper than one system
 * call for each request that sets a timeout and takes it back.
 *
 * Deadlines are rounded up to a grain, so that timers due close to each other share
 * one wake-up (4 us): 16 us normally, 65 us after a look that found a crowd.  Never
 * early, and below the 100 us we allow.
 */
#include "engine/alarm.h"

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/errors.h"
#include "engine/gate.h"
#include "engine/resource.h"

enum {
    ALARM_GRAIN = 1 << 14,           /* nanoseconds, a power of two */
    ALARM_GRAIN_IN_CROWD = 1 << 16,
    ALARM_CROWD = 4,                 /* timers due at the same look */
};

static int64_t
alarm_grain(const Loop *loop)
{
    return loop->timers_expired > ALARM_CROWD ? ALARM_GRAIN_IN_CROWD : ALARM_GRAIN;
}

static int64_t
alarm_round_up(int64_t deadline, int64_t grain)
{
    return deadline > INT64_MAX - grain ? deadline : (deadline + grain - 1) & -grain;
}

#ifdef __linux__
#include <sys/timerfd.h>
#include <unistd.h>

/* Setting the alarm anew makes the descriptor quiet, so it is only read when that
 * has not happened since it rang before.  The expirations are not counted. */
static int
alarm_rung(Loop *loop)
{
    if (loop->armed_at == 0) {
        uint64_t expirations;
        ssize_t unused = read(loop->alarm_fd, &expirations, sizeof expirations);
        (void)unused;
    }
    loop->armed_at = 0;
    return 0;
}

static void
alarm_on_poll(uv_poll_t *uv, int Py_UNUSED(status), int Py_UNUSED(events))
{
    Resource *self = gate_enter((uv_handle_t *)uv);
    gate_leave(self->loop, alarm_rung(self->loop), "Timer alarm failed");
}

int
alarm_open(Loop *loop)
{
    loop->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->alarm_fd < 0) {
        errors_from_errno(errno);
        return -1;
    }
    int rc = uv_poll_init(loop->uv, &loop->alarm.poll, loop->alarm_fd);
    if (rc < 0) {
        errors_from_uv(rc);
        return -1;
    }
    uv_handle_t *uv = (uv_handle_t *)&loop->alarm.poll;
    resource_open(&loop->alarm_resource, loop, NULL, uv);
    rc = uv_poll_start(&loop->alarm.poll, UV_READABLE, alarm_on_poll);
    if (rc < 0) {
        errors_from_uv(rc);
        return -1;
    }
    return 0;
}

int
alarm_after_fork(Loop *loop)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int error = fd < 0 ? errno : descriptor_replace(fd, loop->alarm_fd);
    if (error != 0) {
        errors_from_errno(error);
        return -1;
    }
    loop->armed_at = 0;
    return 0;
}

static void
alarm_arm(Loop *loop, int64_t deadline)
{
    struct itimerspec spec = {.it_value = {
        .tv_sec = deadline / CLOCK_NS_PER_SECOND,
        .tv_nsec = deadline % CLOCK_NS_PER_SECOND,
    }};
    timerfd_settime(loop->alarm_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

void
alarm_close(Loop *loop)
{
    if (loop->alarm_fd >= 0) {
        close(loop->alarm_fd);
        loop->alarm_fd = -1;
    }
}

#else

static int
alarm_rung(Loop *loop)
{
    loop->armed_at = 0;
    return 0;
}

static void
alarm_on_timer(uv_timer_t *uv)
{
    Resource *self = gate_enter((uv_handle_t *)uv);
    gate_leave(self->loop, alarm_rung(self->loop), "Timer alarm failed");
}

int
alarm_open(Loop *loop)
{
    uv_timer_init(loop->uv, &loop->alarm.timer);
    uv_handle_t *uv = (uv_handle_t *)&loop->alarm.timer;
    resource_open(&loop->alarm_resource, loop, NULL, uv);
    return 0;
}

int
alarm_after_fork(Loop *Py_UNUSED(loop))
{
    return 0;
}

/* Whole milliseconds, rounded up: late by at most one, never early. */
static void
alarm_arm(Loop *loop, int64_t deadline)
{
    int64_t left = deadline - clock_now();
    uint64_t ms = left <= 0 ? 0 : (uint64_t)left / 1000000 + 1;
    uv_update_time(loop->uv);
    uv_timer_start(&loop->alarm.timer, alarm_on_timer, ms, 0);
}

void
alarm_close(Loop *Py_UNUSED(loop))
{
}

#endif

void
alarm_set(Loop *loop)
{
    if (loop->timers.count == 0) {
        return;
    }
    int64_t deadline = loop->timers.entries[0].key;
    int64_t grain = alarm_grain(loop);
    if (loop->armed_at != 0 && loop->armed_at - grain <= deadline) {
        return;
    }
    loop->armed_at = alarm_round_up(deadline < 1 ? 1 : deadline, grain);
    alarm_arm(loop, loop->armed_at);
}
