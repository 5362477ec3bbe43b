/* SPDX-License-Identifier: MIT
 *
 * orphans.c - uv loops whose Loop is closed while a thread still works for them.
 *
 * A look-up that waits for a name server cannot be stopped, and when it ends libuv
 * writes into the uv loop it was started from.  Closing a Loop does not wait for that:
 * its uv loop is put on a list, chained through uv_loop_t.data, and freed when the
 * next loop is made or closed and finds it idle.
 */
#include "engine/orphans.h"

#include "engine/loop.h"

/* True when it is gone. */
static bool
orphans_free(uv_loop_t *uv)
{
    loop_turn_uv(uv);                    /* what has ended is told now */
    if (uv_loop_close(uv) != 0) {
        return false;
    }
    PyMem_RawFree(uv);
    return true;
}

void
orphans_take(ModuleState *state, uv_loop_t *uv)
{
    if (!orphans_free(uv)) {
        uv->data = state->orphans;
        state->orphans = uv;
    }
}

void
orphans_sweep(ModuleState *state)
{
    uv_loop_t *uv = state->orphans;
    state->orphans = NULL;
    while (uv != NULL) {
        uv_loop_t *next = uv->data;
        orphans_take(state, uv);
        uv = next;
    }
}

void
orphans_after_fork(ModuleState *state)
{
    state->orphans = NULL;
}
