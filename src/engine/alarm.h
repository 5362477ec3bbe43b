/* SPDX-License-Identifier: MIT
 *
 * alarm.h - what wakes a blocking poll when the earliest timer is due.
 *
 * libuv's own timers count whole milliseconds.  On Linux the alarm is therefore
 * a timerfd (nanoseconds, no timer slack) that the poll watches; elsewhere it is
 * one uv_timer, rounded up.
 */
#ifndef HOTLOOP_ALARM_H
#define HOTLOOP_ALARM_H

#include "engine/loop.h"

int alarm_open(Loop *loop);                    /* 0, or -1 with OSError */

/* Before a poll that may block: ring at the earliest deadline of the heap. */
void alarm_set(Loop *loop);

/* In the child of a fork(), before uv_loop_fork(): a timer that is not the parent's.
 * 0, or -1 with OSError. */
int alarm_after_fork(Loop *loop);

/* Closes the descriptor; the resource is closed with all others. */
void alarm_close(Loop *loop);

#endif
