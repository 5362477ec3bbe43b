/* SPDX-License-Identifier: MIT
 *
 * spares.c - what a loop keeps to use again.
 */
#include "engine/spares.h"

void
spares_init(Spares *self)
{
    for (size_t i = 0; i < SPARES_KINDS; i++) {
        self->lists[i].limit = SPARES_BURST;
        self->lists[i].calm = SPARES_CALM;
    }
    self->handles.limit = SPARES_FLOOD;
    self->contexts.limit = SPARES_FLOOD;
    self->contexts.calm = SPARES_CALM;
}

/* How many of `count` are to go now. */
static int
spares_surplus(int count, int calm)
{
    int eighth = (count - calm + 7) / 8;
    return eighth < SPARES_BATCH ? eighth : SPARES_BATCH;
}

void
spares_settle(Spares *self)
{
    for (size_t i = 0; i < SPARES_KINDS; i++) {
        FreeList *list = &self->lists[i];
        freelist_shrink(list, spares_surplus(list->count, list->calm));
    }
    Contexts *contexts = &self->contexts;
    contexts_shrink(contexts, spares_surplus(contexts->count, contexts->calm));
}

void
spares_free(Spares *self)
{
    for (size_t i = 0; i < SPARES_KINDS; i++) {
        freelist_free(&self->lists[i]);
    }
    contexts_free(&self->contexts);
}
