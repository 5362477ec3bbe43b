/* SPDX-License-Identifier: MIT
 *
 * observe.h - how jobs are run when somebody watches: debug mode, and tools that
 * replace asyncio.Handle._run.
 */
#ifndef HOTLOOP_OBSERVE_H
#define HOTLOOP_OBSERVE_H

#include "engine/loop.h"

/* Choose how ready_run() runs jobs, by loop->debug and loop->handle_run_hook. */
void observe_choose(Loop *loop);

/* At the start of a run: has somebody replaced asyncio.Handle._run?  0 or -1 */
int observe_find_hook(Loop *loop);

extern PyType_Spec job_call_spec;

#endif
