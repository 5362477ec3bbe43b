/* SPDX-License-Identifier: MIT
 *
 * orphans.h - uv loops whose Loop is closed while a thread still works for them.
 */
#ifndef HOTLOOP_ORPHANS_H
#define HOTLOOP_ORPHANS_H

#include "base/state.h"

/* Close `uv` and free it; or keep it until its thread is through.  Steals uv. */
void orphans_take(ModuleState *state, uv_loop_t *uv);

/* Free those whose thread is through.  Cheap when there are none. */
void orphans_sweep(ModuleState *state);

/* In the child of a fork(): their threads are the parent's.  Forget them. */
void orphans_after_fork(ModuleState *state);

#endif
