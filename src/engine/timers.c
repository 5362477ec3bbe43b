/* SPDX-License-Identifier: MIT
 *
 * timers.c - deadlines on the nanosecond clock, earliest first (D9).
 *
 * A busy loop looks at the clock only in turns that poll (every 50 us or so),
 * unless a timer was added that is due at once: call_later(0) fires next turn.
 */
#include "engine/timers.h"

#include "base/clock.h"
#include "engine/ready.h"

#include <math.h>

static Timer *
timers_of(HeapItem *item)
{
    return container_of(item, Timer, item);
}

int64_t
timers_deadline(double when)
{
    double ns = ceil(when * 1e9);
    if (ns >= 9.2e18) {          /* past the year 2262 of any clock: never */
        return INT64_MAX;
    }
    if (ns <= -9.2e18) {
        return INT64_MIN + 1;
    }
    /* when * 1e9 is rounded: make sure that time() has reached `when` then. */
    int64_t deadline = (int64_t)ns;
    return (double)deadline / 1e9 < when ? deadline + 1 : deadline;
}

int
timers_add(Loop *loop, Timer *timer, int64_t deadline)
{
    assert(!timers_is_set(timer));
    if (heap_push(&loop->timers, &timer->item, deadline) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    Py_INCREF(timer->owner);
    if (deadline <= loop->now) {
        loop->timers_urgent = true;
    }
    return 0;
}

void
timers_remove(Loop *loop, Timer *timer)
{
    if (timers_is_set(timer)) {
        heap_remove(&loop->timers, &timer->item);
        Py_DECREF(timer->owner);
    }
}

int
timers_expire(Loop *loop)
{
    Heap *heap = &loop->timers;
    loop->timers_urgent = false;
    loop->now = clock_now();
    while (heap->count > 0 && heap->entries[0].key <= loop->now) {
        Timer *timer = timers_of(heap->entries[0].item);
        heap_remove(heap, &timer->item);
        /* The heap's reference moves to the job. */
        if (ready_push(loop, timer->run, timer->owner, NULL, NULL) < 0) {
            return -1;
        }
    }
    return 0;
}

void
timers_clear(Loop *loop)
{
    while (loop->timers.count > 0) {
        timers_remove(loop, timers_of(loop->timers.entries[0].item));
    }
    heap_free(&loop->timers);
}
