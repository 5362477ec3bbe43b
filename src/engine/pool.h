/* SPDX-License-Identifier: MIT
 *
 * pool.h - libuv's threads, before the first of them is needed.
 */
#ifndef HOTLOOP_POOL_H
#define HOTLOOP_POOL_H

#include "base/state.h"

/* To be called before uv_queue_work(): can its threads be started?  0, or -1 with
 * RuntimeError "can't start new thread". */
int pool_check(ModuleState *state);

/* In the child of a fork(): its threads are still to be started. */
void pool_after_fork(ModuleState *state);

#endif
