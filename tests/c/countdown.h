/* SPDX-License-Identifier: MIT
 *
 * countdown.h - which request for memory fails: the n-th, alone or with all that follow it.
 *
 * For memory.c and malloc.c, each of which has counters of its own. Python arms them by ctypes.
 */
#ifndef HOTLOOP_TESTS_COUNTDOWN_H
#define HOTLOOP_TESTS_COUNTDOWN_H

static long countdown, asked;
static int armed, going_on;

/* Cheap, and false most of the time: who asks is looked up only if this says yes. */
static int
may_strike(void)
{
    return armed && (countdown > 0 || going_on);
}

/* One request more that counts. Does it fail? */
static int
counts_down(void)
{
    asked++;
    countdown--;
    return countdown == 0 || (going_on && countdown < 0);
}

/* The nth request fails; with `on` all that follow too. */
void
memory_arm(long nth, int on)
{
    asked = 0;
    countdown = nth;
    going_on = on;
    armed = 1;
}

/* How many there were, up to the one that failed alone. */
long
memory_disarm(void)
{
    armed = 0;
    return asked;
}

#endif
