/* SPDX-License-Identifier: MIT
 *
 * timers.c - deadlines on the nanosecond clock, earliest first.
 *
 * Not libuv's timers: those count in milliseconds, and ours are never early.
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

/* A timer that is cancelled in the turn in which it was set never sees the heap:
 * with 100k others in it, going in and out costs a third of call_later + cancel.
 * The place `at` in the list of fresh timers, as an index below HEAP_NOWHERE. */
static ptrdiff_t
timers_fresh_index(ptrdiff_t at)
{
    return HEAP_NOWHERE - 1 - at;
}

void
timers_settle(Loop *loop)
{
    for (int i = 0; i < loop->fresh_count; i++) {
        heap_push(&loop->timers, loop->fresh[i]);
    }
    loop->fresh_count = 0;
}

int
timers_add(Loop *loop, Timer *timer, int64_t deadline)
{
    assert(!timers_is_set(timer));
    /* Settling then cannot fail. */
    if (heap_reserve(&loop->timers, loop->fresh_count + 1) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    if (loop->fresh_count == LOOP_FRESH_TIMERS) {
        timers_settle(loop);
    }
    HeapEntry entry = {deadline, loop->timers.order++, &timer->item};
    timer->item.index = timers_fresh_index(loop->fresh_count);
    loop->fresh[loop->fresh_count++] = entry;
    Py_INCREF(timer->owner);
    if (deadline <= loop->now) {
        loop->timers_urgent = true;
    }
    return 0;
}

/* The last of the fresh ones takes the place; its order goes with it. */
static void
timers_remove_fresh(Loop *loop, Timer *timer)
{
    ptrdiff_t at = timers_fresh_index(timer->item.index);
    HeapEntry last = loop->fresh[--loop->fresh_count];
    last.item->index = timers_fresh_index(at);
    loop->fresh[at] = last;
    timer->item.index = HEAP_NOWHERE;
}

void
timers_remove(Loop *loop, Timer *timer)
{
    if (!timers_is_set(timer)) {
        return;
    }
    if (timer->item.index < HEAP_NOWHERE) {
        timers_remove_fresh(loop, timer);
    }
    else {
        heap_remove(&loop->timers, &timer->item);
    }
    Py_DECREF(timer->owner);
}

int
timers_expire(Loop *loop)
{
    Heap *heap = &loop->timers;
    timers_settle(loop);
    loop->timers_urgent = false;
    loop->now = clock_now();
    int expired = 0;
    while (heap->count > 0 && heap->entries[0].key <= loop->now) {
        Timer *timer = timers_of(heap->entries[0].item);
        heap_remove(heap, &timer->item);
        /* The heap's reference moves to the job. */
        if (ready_push(loop, timer->run, timer->owner, NULL, NULL) < 0) {
            return -1;
        }
        expired++;
    }
    loop->timers_expired = expired > 0 ? expired : loop->timers_expired;
    return 0;
}

void
timers_clear(Loop *loop)
{
    while (timers_any(loop)) {
        timers_settle(loop);
        timers_remove(loop, timers_of(loop->timers.entries[0].item));
    }
    heap_free(&loop->timers);
}
