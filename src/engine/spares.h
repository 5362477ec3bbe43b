/* SPDX-License-Identifier: MIT
 *
 * spares.h - what a loop keeps to use again: dead objects and empty contexts.
 *
 * A burst may fill each list far; when it is over, every sleep of the loop gives an
 * eighth of the surplus back.
 */
#ifndef HOTLOOP_SPARES_H
#define HOTLOOP_SPARES_H

#include "base/contexts.h"
#include "base/freelist.h"

enum {
    SPARES_CALM = 1024,          /* kept of each kind: 150 KiB of handles */
    SPARES_BURST = 32 * 1024,    /* while a burst lasts: a thread that posts all through
                                    its 5 ms of the GIL makes as many handles */
    SPARES_KINDS = 6,
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
