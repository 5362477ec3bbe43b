/* SPDX-License-Identifier: MIT
 *
 * timers.h - deadlines on the nanosecond clock, earliest first.
 */
#ifndef HOTLOOP_TIMERS_H
#define HOTLOOP_TIMERS_H

#include "engine/loop.h"

/* Embedded in what waits for a deadline.  The heap owns one reference to
 * `owner` while the timer is in it. */
typedef struct Timer {
    HeapItem item;
    PyObject *owner;     /* borrowed: the object that embeds us */
    JobRun run;          /* queued as a job with self = owner when it is due */
} Timer;

static inline void
timers_init(Timer *timer, PyObject *owner, JobRun run)
{
    timer->item.index = HEAP_NOWHERE;
    timer->owner = owner;
    timer->run = run;
}

static inline bool
timers_is_set(const Timer *timer)
{
    return timer->item.index != HEAP_NOWHERE;
}

/* The deadline, in nanoseconds, of `when` seconds on loop.time()'s clock: the
 * first nanosecond at which loop.time() >= when.  Clamped to what fits. */
int64_t timers_deadline(double when);

/* Are there any? */
static inline bool
timers_any(const Loop *loop)
{
    return loop->timers.count + loop->fresh_count > 0;
}

/* Put the fresh ones into the heap: before anybody looks at its top or walks it. */
void timers_settle(Loop *loop);

/* Let `timer` fire at `deadline` (ns).  Takes a reference to its owner.  0 or -1
 * (MemoryError). */
int timers_add(Loop *loop, Timer *timer, int64_t deadline);

/* Take it out and release the owner (may run its dealloc).  No-op if not set. */
void timers_remove(Loop *loop, Timer *timer);

/* Due timers become jobs, in the order of their deadlines.  0 or -1 */
int timers_expire(Loop *loop);

/* Drop all; used by close. */
void timers_clear(Loop *loop);

#endif
