/* SPDX-License-Identifier: MIT
 *
 * spares.h - what a loop keeps to use again: dead objects and empty contexts.
 *
 * A burst may fill each list far; when it is over, every sleep of the loop gives an
 * eighth of the surplus back, as far as that is no work to speak of.
 */
#ifndef HOTLOOP_SPARES_H
#define HOTLOOP_SPARES_H

#include "base/contexts.h"
#include "base/freelist.h"

enum {
    SPARES_CALM = 1024,       /* kept of each kind: 150 KiB of handles */
    SPARES_BURST = 32 * 1024, /* while a burst lasts */
    /* Of handles and contexts: a thread that posts all through its 5 ms of the GIL
     * makes 40,000, and several may do so before it is the loop's turn.  With 32 K of
     * them four threads' posts take 1.4 times as long. */
    SPARES_FLOOD = 256 * 1024,
    SPARES_BATCH = 4096, /* given back by one sleep at most: 0.2 ms */
    SPARES_KINDS = 7,
};

typedef struct Spares {
    union {
        struct {
            FreeList handles;
            FreeList timer_handles;
            FreeList futures;
            FreeList future_iters;
            FreeList tasks;
            FreeList sock_ops;
            FreeList stream_reads;
        };
        FreeList lists[SPARES_KINDS];    /* the same, one by one */
    };
    Contexts contexts;
} Spares;

void spares_init(Spares *self);

/* The loop falls asleep. */
void spares_settle(Spares *self);

void spares_free(Spares *self);

#endif
