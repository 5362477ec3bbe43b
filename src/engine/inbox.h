/* SPDX-License-Identifier: MIT
 *
 * inbox.h - the only door for other threads.  It has one entry.
 */
#ifndef HOTLOOP_INBOX_H
#define HOTLOOP_INBOX_H

#include "engine/loop.h"

int inbox_open(Loop *loop);                    /* 0, or -1 with OSError */

/* Queue a job from any thread that holds the GIL, and wake the loop.  Steals
 * self and context, also on failure.  0, or -1 with RuntimeError "Event loop is
 * closed" or MemoryError. */
int inbox_post(Loop *loop, JobRun run, PyObject *self, PyObject *context);

/* Move what came in to the ready queue.  0 or -1. */
int inbox_drain(Loop *loop);

/* Has anything come in?  May lag behind a post that is being made. */
static inline bool
inbox_has_posts(Loop *loop)
{
    return __atomic_load_n(&loop->inbox_waiting, __ATOMIC_RELAXED) != 0;
}

/* The loop wants to block: false when something has come in meanwhile. */
bool inbox_fall_asleep(Loop *loop);
void inbox_wake(Loop *loop);

/* In the child of a fork(): a thread that is no more may have held the mutex. */
void inbox_after_fork(Loop *loop);

/* Another thread waits, without the GIL, until *busy is false.  The loop's thread
 * makes it so with inbox_finish().  0, or -1 with what a signal handler raised. */
int inbox_await(Loop *loop, const bool *busy);
void inbox_finish(Loop *loop, bool *busy);

/* From now on inbox_post raises.  What is queued is dropped. */
void inbox_close(Loop *loop);

#endif
