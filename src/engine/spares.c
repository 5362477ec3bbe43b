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
    self->contexts.limit = SPARES_BURST;
    self->contexts.calm = SPARES_CALM;
}

void
spares_settle(Spares *self)
{
    for (size_t i = 0; i < SPARES_KINDS; i++) {
        freelist_settle(&self->lists[i]);
    }
    contexts_settle(&self->contexts);
}

void
spares_free(Spares *self)
{
    for (size_t i = 0; i < SPARES_KINDS; i++) {
        freelist_free(&self->lists[i]);
    }
    contexts_free(&self->contexts);
}
